//! What Google does to the next calls: the faults that the steps of a history order.

use fake_google::{Fault, Paging, PushEffect, PushFault};
use http::StatusCode;

use super::step::{PushLuck, Trouble};
use crate::world::World;

/// A fault that was ordered; it has struck when Google has none like it any more.
pub struct Ordered(pub Trouble, Fault);

impl Ordered {
    pub fn has_struck(&self, waiting: &[Fault]) -> bool {
        let Self(_, fault) = self;
        !waiting.iter().any(|other| {
            (&other.operation, &other.effect, other.count) == (&fault.operation, &fault.effect, fault.count)
        })
    }
}

/// Orders what a step says; `number` chooses among the calls and the counts that there are.
pub fn order(world: &World, trouble: Trouble, number: u16) -> Vec<Ordered> {
    let google = &world.google;
    match trouble {
        Trouble::TokenSpent => google.invalidate_sync_tokens(world.email).unwrap(),
        Trouble::PageTokensExpired => google.expire_page_tokens(),
        Trouble::Pages(at_most) => google.set_paging(Paging {
            at_most: Some(usize::from(at_most)),
            starts_empty: number.is_multiple_of(2),
            repeats_boundary: number.is_multiple_of(3),
        }),
        _ => {}
    }
    let faults = faults(trouble, number);
    faults.iter().cloned().for_each(|fault| google.inject(fault));
    faults.into_iter().map(|fault| Ordered(trouble, fault)).collect()
}

fn faults(trouble: Trouble, number: u16) -> Vec<Fault> {
    const ANY: &str = "calendar.*";
    const UPDATE: &str = "calendar.events.update";
    let some = 1 + u32::from(number % 3);
    let forbidden = |operation: &str, reason| Fault::refuse(operation, StatusCode::FORBIDDEN, reason);
    let fault = match trouble {
        Trouble::RateLimit => forbidden(ANY, "rateLimitExceeded"),
        Trouble::UserRateLimit => forbidden(ANY, "userRateLimitExceeded"),
        Trouble::TooManyRequests => {
            Fault::refuse(ANY, StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded").retry_after(30)
        }
        Trouble::WritesLocked => return WRITES.map(|write| forbidden(write, "quotaExceeded")).into(),
        Trouble::ProjectLimit => forbidden(ANY, "dailyLimitExceeded"),
        Trouble::ScopeMissing => forbidden(ANY, "insufficientPermissions"),
        Trouble::Forbidden => forbidden(write(number), "forbidden"),
        Trouble::Unavailable => {
            Fault::refuse(ANY, StatusCode::SERVICE_UNAVAILABLE, "backendError").times(some)
        }
        Trouble::Broken => Fault::refuse(ANY, StatusCode::INTERNAL_SERVER_ERROR, "internalError").times(some),
        Trouble::Conflict => Fault::refuse(write(number), StatusCode::CONFLICT, "conflict"),
        Trouble::Stale => Fault::refuse(UPDATE, StatusCode::PRECONDITION_FAILED, "conditionNotMet"),
        Trouble::Sequence => Fault::invalid_sequence(UPDATE),
        Trouble::CommittedThenDropped => Fault::drop_after_commit(write(number)),
        Trouble::CommittedThenFailed => {
            Fault::refuse_after_commit(write(number), StatusCode::SERVICE_UNAVAILABLE, "backendError")
        }
        Trouble::CommittedThenCut => Fault::cut(write(number)),
        Trouble::Dropped => Fault::drop(ANY),
        Trouble::TokenEndpoint => {
            Fault::refuse("oauth.token", StatusCode::SERVICE_UNAVAILABLE, "internal_failure").times(some)
        }
        Trouble::TokenRefused => Fault::invalid_sync_token(),
        Trouble::TokenSpent | Trouble::PageTokensExpired | Trouble::Pages(_) => return Vec::new(),
    };
    vec![fault]
}

const WRITES: [&str; 3] = ["calendar.events.insert", "calendar.events.update", "calendar.events.delete"];

/// Some call that writes.
fn write(number: u16) -> &'static str {
    WRITES[usize::from(number) % 3]
}

/// Orders what becomes of the next notification.
pub fn push(world: &World, luck: PushLuck) {
    let effect = match luck {
        PushLuck::Dropped => PushEffect::Drop,
        PushLuck::Duplicated => PushEffect::Duplicate,
        PushLuck::Reordered => PushEffect::Reorder,
        PushLuck::Held => PushEffect::Hold,
        PushLuck::Released => return world.google.release_pushes(),
    };
    world.google.inject_push(PushFault { channel: None, count: 1, effect });
}
