//! The fake Google on its own: `cargo run --bin fake-google -- --port 4000`.

use std::path::PathBuf;

use clap::Parser;
use fake_google::{Options, Server};

/// A fake of Google's OAuth and Calendar for local development.
#[derive(Parser)]
struct Arguments {
    /// Port on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Of all randomness: ids, codes, tokens; another one every time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// A file in which accounts, grants and calendars are kept from one run to the next.
    #[arg(long)]
    state: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { port, seed, state } = Arguments::parse();
    let defaults = Options::default();
    let seed = seed.unwrap_or(defaults.seed);
    let server = Server::start(Options { port, seed, state, ..defaults }).await?;
    println!("GOOGLE_OAUTH_AUTHORIZE_URL={}", server.authorize_url());
    println!("GOOGLE_OAUTH_TOKEN_URL={}", server.token_url());
    println!("GOOGLE_OAUTH_REVOKE_URL={}", server.revoke_url());
    println!("GOOGLE_JWKS_URL={}", server.jwks_url());
    println!("GOOGLE_CALENDAR_URL={}", server.calendar_url());
    println!("GOOGLE_CLIENT_ID={}", server.client_id());
    println!("GOOGLE_CLIENT_SECRET={}", server.client_secret());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
