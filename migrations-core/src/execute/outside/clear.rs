//! Decides what an interrupted statement has done, from the index that it was building, and clears its mark.

use postgres::error::SqlState;
use postgres::{Client, Error as DriverError};

use super::remains::{There, is_so, there};
use crate::engine::Engine;
use crate::plan::Unit;
use crate::report::Error;
use crate::server::{Connection, send};
use crate::set::{Action, Kind};
use crate::store::{Mark, Marked, Reached, Unknown, codes, read_mark};

/// What was decided, or why nothing can be decided.
pub(crate) type Cleared = Result<String, String>;

/// Clears the mark of an interrupted statement, if the index that it was building tells what to do; in a dry run, says
/// only what it would do.
pub(crate) fn clear_mark(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    unit: &Unit<'_>,
    dry_run: bool,
) -> Result<Cleared, Error> {
    let mut polling = engine.polling();
    let doing = |error: &DriverError| {
        let doing = format!("inspecting what an interrupted run left in schema {}", unit.schema());
        engine.interrupted_or(Error::from_driver(doing, error))
    };
    loop {
        let client = &mut connection.client;
        let marked = read_mark(client, unit.layout(), unit.owner).map_err(|error| doing(&error))?;
        let (next, text) = match decide(client, unit, &marked).map_err(|error| doing(&error))? {
            Ok(decided) => decided,
            Err(problem) => return Ok(Err(problem)),
        };
        if dry_run {
            return Ok(Ok(text));
        }
        let mut statements = unit.opening("");
        statements.push(unit.replace_mark(&marked, &next));
        let Err(refused) = send(client, engine.delivery(), &statements) else { return Ok(Ok(text)) };
        match refused.error.code().map(SqlState::code) {
            Some(codes::STALE) => {
                return Ok(Err("another session changed it in the meantime; run again".to_owned()));
            }
            Some(codes::FLEET_BUSY | codes::TENANT_BUSY) => {
                engine.wait(&mut polling, &format!("schema {}", unit.schema()))?;
            }
            _ => return Err(doing(&refused.error)),
        }
    }
}

/// The mark to write, and what it means; or why there is nothing to decide.
fn decide(
    client: &mut Client,
    unit: &Unit<'_>,
    marked: &Marked,
) -> Result<Result<(Mark, String), String>, DriverError> {
    let Some(mark) = marked.mark else { return Ok(Err("no run was interrupted there".to_owned())) };
    let found = unit.set.migrations().iter().find(|migration| migration.version() == mark.version);
    let Some((migration, outside)) = found.and_then(|migration| Some((migration, migration.outside()?))) else {
        return Ok(Err(format!(
            "a run stopped in the middle of version {}, and the {} set has no migration of this version that runs \
             outside a transaction; put the file back as it was",
            mark.version,
            unit.set.name()
        )));
    };
    let title = migration.title();
    let (number, of) = match marked.reached(migration) {
        Reached::In(number) => (number, outside.units().len()),
        Reached::Before(number) => {
            return Ok(Err(format!(
                "nothing is in doubt: the first {number} statements of {title} are done, and the next run continues \
                 after them"
            )));
        }
        Reached::Doubt(_) | Reached::Unknown(Unknown::Edited | Unknown::AnotherMigrations) => {
            return Ok(Err(format!(
                "{title} was edited after it had begun, so the mark does not say which statement was interrupted; put \
                 the statements back as they were"
            )));
        }
        Reached::Unknown(Unknown::Replaced) => {
            return Ok(Err(format!(
                "the schema was replaced after {title} had begun, so what is done in it is not known"
            )));
        }
    };
    let Some(unit_text) = outside.units().get(number) else { return Ok(Err("the mark fits no statement".to_owned())) };
    let statement = first_line(&migration.sql()[unit_text.range.clone()]);
    let which = format!("statement {} of {of} of {title} ({statement})", number + 1);
    let action = match &unit_text.kind {
        Kind::Alone(action @ Action::CreateIndex(_)) if !action.makes_an_unnamed_index() => action,
        Kind::Alone(_) | Kind::InTransaction => {
            return Ok(Err(format!(
                "{which} was interrupted, and builds no index with a name that would tell what it has done; the next \
                 run decides, or says what it needs"
            )));
        }
    };
    if is_so(client, &action.is_under_way_query(unit.schema()))? {
        return Ok(Err(format!("{which} is still running in another session; wait until it ends")));
    }
    Ok(Ok(match there(client, action, unit.schema())? {
        There::All => (
            Mark::before(migration, number + 1),
            format!("{which}: the index is valid, so the statement is recorded as done"),
        ),
        There::Broken => (
            Mark::before(migration, number),
            format!("{which}: the index is invalid; the next run drops it and builds it again"),
        ),
        There::Nothing => {
            (Mark::before(migration, number), format!("{which}: there is no index; the next run builds it"))
        }
        There::Half => return Ok(Err(format!("{which} is half done; the next run finishes it"))),
    }))
}

fn first_line(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
