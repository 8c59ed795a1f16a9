//! The state that an earlier run left of a statement that cannot run in a transaction: not begun, half done, or done.

use postgres::{Client, Error as DriverError};

use super::task::{OWN_PATH, Task};
use crate::names::{Literal, Shown};
use crate::plan::Unit;
use crate::set::{Action, drop_index};
use crate::store::{Mark, Marked, named_key};

/// How much exists of the object that a statement creates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    Broken,
    Half,
    All,
}

/// The answer to a query with one row and one column.
pub(super) fn is_so(client: &mut Client, query: &str) -> Result<bool, DriverError> {
    Ok(client.query_typed(query, &[])?.first().is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
}

/// Takes a session-level lock for a procedure, which commits while it runs. If a runner is killed, the server
/// continues, and nothing else identifies the procedure. `Err(None)`: timed out.
pub(super) fn hold_call(client: &mut Client, whole: &Unit<'_>) -> Result<(), Option<DriverError>> {
    let key = named_key(whole.layout(), "call", &Literal(whole.schema()).to_string());
    let query = format!("SELECT pg_try_advisory_lock({key})");
    let mut polling = whole.engine.polling();
    while !is_so(client, &query)? {
        let what =
            format!("schema {}, where a procedure of an interrupted run is still running,", Shown(whole.schema()));
        whole.engine.wait_under_way(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

/// Waits until no other session runs a statement that an earlier run began: that run's process may be dead while the
/// server still works for it. `Err(None)`: timed out.
pub(super) fn wait_for_others(
    client: &mut Client,
    whole: &Unit<'_>,
    action: &Action,
) -> Result<(), Option<DriverError>> {
    let query = action.is_under_way_query(whole.schema());
    let mut polling = whole.engine.polling();
    while is_so(client, &query)? {
        let what =
            format!("schema {}, where a statement of an interrupted run is still running,", Shown(whole.schema()));
        whole.engine.wait_under_way(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

pub(super) fn leftovers(client: &mut Client, action: &Action, schema: &str) -> Result<Vec<String>, DriverError> {
    let Some(query) = action.leftovers_query(schema) else { return Ok(Vec::new()) };
    Ok(client.query_typed(&query, &[])?.iter().map(|row| row.get(0)).collect())
}

pub(super) fn there(client: &mut Client, action: &Action, schema: &str) -> Result<There, DriverError> {
    let Some(query) = action.progress_query(schema) else { return Ok(There::Nothing) };
    let rows = client.query_typed(&query, &[])?;
    Ok(match rows.first().map(|row| row.get::<_, &str>(0)) {
        Some("done") => There::All,
        Some("broken") => There::Broken,
        Some("pending") => There::Half,
        _ => There::Nothing,
    })
}

/// Looks for an index without a name: there is one more index of its definition than when the statement began. An
/// invalid one is removed.
pub(super) fn unnamed(client: &mut Client, task: &Task<'_>, mark: &Marked) -> Result<There, DriverError> {
    let begun = mark.mark.and_then(|mark| mark.next);
    let mut found = same_indexes(client, task)?;
    found.sort();
    for (name, is_valid) in &found {
        let beside: Vec<_> = found.iter().map(|(other, _)| other.as_str()).filter(|other| other != name).collect();
        if Mark::begun(task.migration, task.number, &beside).next != begun {
            continue;
        }
        if *is_valid {
            return Ok(There::All);
        }
        log::warn!("{}: removing the invalid index that an interrupted run left: {name}", task.whole.shown());
        client.batch_execute(&drop_index(name))?;
    }
    Ok(There::Nothing)
}

/// Whether the existing object is the one that the statement would create. If nothing can be compared, it is.
pub(super) fn is_same(client: &mut Client, task: &Task<'_>) -> Result<bool, DriverError> {
    let can_be_compared = task.unit.comparison(task.migration, task.whole.schema()).is_some();
    Ok(!can_be_compared || !same_indexes(client, task)?.is_empty())
}

/// The indexes that are equal to the one the statement would create: their full names, and whether they are valid.
pub(super) fn same_indexes(client: &mut Client, task: &Task<'_>) -> Result<Vec<(String, bool)>, DriverError> {
    let Some(comparison) = task.unit.comparison(task.migration, task.whole.schema()) else { return Ok(Vec::new()) };
    // Dropping the transaction rolls it back.
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&task.whole.search_path())?;
    for statement in &comparison.preparation {
        transaction.batch_execute(statement)?;
    }
    transaction.batch_execute(&format!("SET LOCAL search_path = {OWN_PATH}"))?;
    let rows = transaction.query_typed(&comparison.question, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
