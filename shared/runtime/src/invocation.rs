//! One line in the log per invocation: what it was and what it cost.

use seam::Ledger;

/// Logs the end of an invocation. Dashboards and the local cloud read this line, so its names are part of the interface.
pub(crate) fn log(request_id: &str, outcome: &str, ledger: &Ledger) {
    tracing::info!(
        request_id,
        outcome,
        round_trips = ledger.store_rounds,
        store_calls = ledger.store_calls,
        read_units = ledger.read_units,
        write_units = ledger.write_units,
        queue_calls = ledger.queue_calls,
        google_calls = ledger.google_calls,
        mail_calls = ledger.mail_calls,
        socket_calls = ledger.socket_calls,
        "invocation"
    );
}
