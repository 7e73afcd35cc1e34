//! Runs the fuzz targets for a while without a fuzzer: `cargo run --release -p realtime --example fuzz -- --seconds 1800`.
#![expect(clippy::expect_used, reason = "it fails by panicking, like any test")]

#[path = "../../../fuzz/driver.rs"]
mod driver;
#[path = "../../../fuzz/targets.rs"]
mod targets;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = match arguments.get(1..) {
        Some([flag, seconds]) if flag == "--seconds" => seconds.parse().expect("a number of seconds"),
        _ => 30,
    };
    let time = std::time::Duration::from_secs(seconds);
    for (name, inputs) in driver::run(time, u64::from(std::process::id())) {
        println!("{name}: {inputs} inputs, no panic, no leak");
    }
}
