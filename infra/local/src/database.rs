//! The embedded database, and an index that it lacks.
//!
//! With each write it looks for the newest record of the table's stream, and with each look for the records after one. Without an index it goes
//! through the whole stream for that, which is never cut: a write costs more with every one before it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use dynoxide::{Database, DynoxideError};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::clock::Clock;

const INDEX: &str = "CREATE INDEX IF NOT EXISTS stream_by_number
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// One that is gone with the process; its items expire by this clock, or by the system's.
///
/// # Errors
/// If SQLite fails, or there is no room for a temporary file.
pub(crate) fn in_memory(clock: Option<&Clock>) -> anyhow::Result<Database> {
    let database = match clock {
        Some(clock) => Database::memory_with_clock(Arc::new(clock.clone())),
        None => Database::memory(),
    };
    let database = database.map_err(unopened)?;
    // Nobody else reaches a database in memory: it goes through a file, while it is empty.
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("empty.sqlite");
    let path = text(&file)?;
    database.vacuum_into(path).map_err(unopened)?;
    index(&file)?;
    database.restore_from(path).map_err(unopened)?;
    Ok(database)
}

/// One that is kept in a file. Its items expire by the system's clock, because such a one takes no other.
///
/// # Errors
/// If the file cannot be made, read or written.
pub(crate) fn in_file(file: &Path) -> anyhow::Result<Database> {
    let database = Database::new(text(file)?).map_err(unopened)?;
    index(file)?;
    Ok(database)
}

/// All that the database holds, word for word: each value of each row of each of its tables, among them the records of the streams, which have every version that an
/// item ever had.
pub(crate) fn values(database: &Database) -> anyhow::Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("copy.sqlite");
    database.vacuum_into(text(&file)?).map_err(unopened)?;
    let connection = Connection::open(&file).with_context(|| file.display().to_string())?;
    let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut values = Vec::new();
    for name in names {
        let mut all = connection.prepare(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))?;
        let columns = all.column_count();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column)? {
                    values.push(String::from_utf8_lossy(bytes).into_owned());
                }
            }
        }
    }
    Ok(values)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn index(file: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(file).with_context(|| file.display().to_string())?;
    connection.execute_batch(INDEX).with_context(|| format!("cannot index {}", file.display()))
}

fn unopened(error: DynoxideError) -> anyhow::Error {
    anyhow!("cannot open the table's database: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the database asks its stream with each write.
    const NEWEST: &str = "EXPLAIN QUERY PLAN SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1
        FROM _stream_records WHERE table_name = 'meridian-table'";

    #[test]
    fn the_newest_record_of_a_stream_is_found_and_not_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let (kept, copy) = (directory.path().join("kept.sqlite"), directory.path().join("copy.sqlite"));
        drop(in_file(&kept).unwrap());
        in_memory(None).unwrap().vacuum_into(text(&copy).unwrap()).unwrap();
        for file in [kept, copy] {
            let connection = Connection::open(file).unwrap();
            let plan: String = connection.query_row(NEWEST, [], |row| row.get("detail")).unwrap();
            assert!(plan.contains("stream_by_number"), "{plan}");
        }
    }
}
