//! A fuzzer without instrumentation, for machines that have none: seeds, and what can be made of them by chance.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::targets;

/// Pieces that are put in whole: chance alone finds them late.
const WORDS: [&str; 14] = [
    "{\"type\":\"hello\",\"cursor\":\"",
    "\"}",
    "hello",
    "ping",
    "null",
    ".",
    "~",
    "_",
    "-",
    "none",
    "ab12.40",
    "18446744073709551615",
    "\u{0}",
    "the only one\nhttps://app.example",
];

/// The longest input.
const LONGEST: usize = 8 * 1024;

/// Where the seeds of a target lie.
fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target)
}

/// Runs each target on its seeds, and then for its share of `time` on what is made of them. Returns how many inputs each target had.
pub fn run(time: Duration, seed: u64) -> Vec<(&'static str, u64)> {
    let share = time / u32::try_from(targets::ALL.len()).unwrap_or(1);
    targets::ALL.iter().map(|(name, target)| (*name, fuzz(name, *target, share, seed))).collect()
}

fn fuzz(name: &str, target: fn(&[u8]), time: Duration, seed: u64) -> u64 {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(seeds(name)).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    corpus.iter().for_each(|input| target(input));
    let (mut dice, mut inputs, begun) = (Dice(seed), 0, Instant::now());
    while begun.elapsed() < time {
        for _ in 0..256 {
            let input = mutated(&corpus, &mut dice);
            // Shown when the target panics.
            let shown = Shown(&input);
            target(&input);
            std::mem::forget(shown);
            inputs += 1;
        }
    }
    inputs
}

/// Prints an input when it is dropped, which only a panic does.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        eprintln!("the input was {:?}", String::from_utf8_lossy(self.0));
    }
}

fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(input.len() + 1);
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = u8::try_from(dice.below(256)).unwrap_or_default(),
            2 => input.truncate(at),
            3 => {
                let word = WORDS[dice.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
            4 if at < input.len() => {
                input.remove(at);
            }
            5 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let copy = input.clone();
                input.splice(at..at, copy);
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or_default()
    }
}
