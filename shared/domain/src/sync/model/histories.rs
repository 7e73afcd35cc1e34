//! Histories of both sides.

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseResult};

use super::World;
use super::acts::{Act, history};

pub(super) fn lived(acts: &[Act], rewrites: bool) -> TestCaseResult {
    let mut world = World::new(rewrites);
    for act in acts {
        world.act(act)?;
    }
    world.quiesce()?;
    world.check()
}

/// The same histories wherever they run, and few, so that a failure tells of a change: about one in ten thousand still ends in what
/// `infra/docs/google.md` names among the known gaps. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw others, and more.
fn config() -> ProptestConfig {
    let drawn = ProptestConfig::default();
    let rng_seed = match drawn.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        seed => seed,
    };
    ProptestConfig {
        cases: drawn.cases.max(3_000),
        max_shrink_iters: 2_000,
        rng_seed,
        failure_persistence: None,
        ..drawn
    }
}

proptest! {
    #![proptest_config(config())]

    /// From whatever people did on both sides, with answers that got lost: it comes to rest, both sides say the same, no text is lost that nobody took
    /// away and no conflict tells of, and reading everything once more changes nothing.
    #[test]
    fn both_sides_come_to_rest_and_say_the_same_and_lose_nothing_without_a_record(acts in history(10), rewrites: bool) {
        lived(&acts, rewrites)?;
    }
}
