//! What is asked for.

use std::fmt;

use crate::plan::{Context, Steps, delete, reorder, save};
use crate::{Draft, EventId, Records, Recurrence, Refusal, Repeat, Scope};

/// One request.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Save(Box<Draft>, Scope),
    Delete(EventId, Scope),
    Reorder(EventId, f64),
}

impl Request {
    pub(super) fn id(&self) -> EventId {
        match self {
            Self::Save(draft, _) => draft.id(),
            Self::Delete(id, _) | Self::Reorder(id, _) => *id,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Save(_, scope) | Self::Delete(_, scope) => *scope,
            Self::Reorder(..) => Scope::This,
        }
    }

    pub(super) fn plan(&self, records: &Records, context: &Context) -> Result<Steps, Refusal> {
        match self {
            Self::Save(draft, scope) => save(records, draft, *scope, context),
            Self::Delete(id, scope) => delete(records, *id, *scope, context),
            Self::Reorder(id, order) => Ok(reorder(records, *id, *order, context)),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Save(draft, scope) => {
                let (start, end) = (draft.span.start().as_str(), draft.span.end().as_str());
                let texts = (draft.title.as_deref(), draft.description.as_deref(), draft.priority);
                let repeat = match &draft.repeat {
                    Repeat::Series(rule) => format!("Series({:?})", rule.lines()),
                    Repeat::Occurrence { series, rule } => {
                        format!("Occurrence({series:?}, {:?})", rule.as_ref().map(Recurrence::lines))
                    }
                    other => format!("{other:?}"),
                };
                write!(f, "save {scope:?} {} {start}..{end} {texts:?} ", draft.id)?;
                write!(f, "someday {} order {:?} {repeat}", draft.is_someday, draft.order)
            }
            Self::Delete(id, scope) => write!(f, "delete {scope:?} {id}"),
            Self::Reorder(id, order) => write!(f, "reorder {id} {order}"),
        }
    }
}
