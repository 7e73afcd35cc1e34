//! stub
use serde::{Deserialize, Serialize};
use crate::*;
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recurrence(Vec<String>);
impl Recurrence {
    pub fn parse(lines: &[String]) -> Result<Self, Refusal> { Ok(Self(lines.to_vec())) }
    pub fn lines(&self) -> &[String] { &self.0 }
    pub fn is_same(&self, other: &Self) -> bool { self == other }
    pub fn with_dates_of(&self, _other: &Self) -> Result<Self, Refusal> { Ok(self.clone()) }
}
pub struct Pattern<'a> { pub start: &'a EventTime, pub zone: Zone, pub recurrence: &'a Recurrence }
impl Pattern<'_> {
    pub fn slots(&self, _from: Slot, _to: Slot, _limit: usize) -> Vec<Slot> { vec![] }
    pub fn contains(&self, _slot: Slot) -> bool { false }
    pub fn first(&self) -> Option<Slot> { None }
    pub fn next(&self, _from: Slot) -> Option<Slot> { None }
    pub fn last(&self) -> Option<Slot> { None }
    pub fn before(&self, _slot: Slot) -> Option<Recurrence> { None }
    pub fn from(&self, _slot: Slot) -> Option<Recurrence> { None }
    pub fn moved(&self, _s: &EventTime, _z: Zone) -> Option<Recurrence> { None }
}
