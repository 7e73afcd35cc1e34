//! The list of priorities on the wire.

use domain::priority::{Name, NamedPriority};
use domain::{PriorityId, UserId};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// `POST /api/priority`. The owner is whoever has the session, whatever the body says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct PriorityBody {
    #[serde(rename = "_id")]
    pub id: Option<PriorityId>,
    pub name: Name,
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
}

/// `PUT /api/priority/{id}`: what is to change. The path says which priority is meant, whatever the body says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct PriorityChange {
    pub name: Option<Name>,
    #[serde(rename = "_id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
}

/// A priority, as every route answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct PriorityView {
    #[serde(rename = "_id")]
    pub id: PriorityId,
    pub name: Name,
    pub user: UserId,
}

impl PriorityView {
    /// A priority of `user`, for the wire.
    pub fn new(user: UserId, priority: NamedPriority) -> Self {
        Self { id: priority.id, name: priority.name, user }
    }
}

/// The answer of `DELETE /api/priority/{id}`, in the words of the database it once came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct DeletedPriority {
    pub acknowledged: bool,
    pub deleted_count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_what_was_answered_and_nothing_unknown() {
        let view = r#"{"_id":"66aa01bb02cc03dd04ee05ff","name":" work ","user":"somebody"}"#;
        let body: PriorityBody = serde_json::from_str(view).unwrap();
        assert_eq!((body.name.as_str(), body.id.is_some()), ("work", true));
        let change: PriorityChange = serde_json::from_str(view).unwrap();
        assert_eq!(change.name, Some(body.name));
        for bad in [
            "{}",
            r#"{"name":null}"#,
            r#"{"name":""}"#,
            r#"{"name":"a","_id":"1"}"#,
            r#"{"name":"a","color":"red"}"#,
        ] {
            assert!(serde_json::from_str::<PriorityBody>(bad).is_err(), "{bad}");
        }
    }
}
