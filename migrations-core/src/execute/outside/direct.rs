//! The connection that the units of a migration outside a transaction are sent over.

use std::ops::Range;

use postgres::error::{ErrorPosition, SqlState};
use postgres::{Client, Error as DriverError};

use super::remains::{There, hold_call, is_same, is_so, leftovers, same_indexes, there, unnamed, wait_for_others};
use super::task::{OWN_PATH, Task};
use crate::engine::Settings;
use crate::execute::done::Stop;
use crate::execute::transaction::{failure, find_blockers, refused, send};
use crate::names::Ident;
use crate::plan::Unit;
use crate::report::Reason;
use crate::server::{Connection, Database, Registration, send as send_transaction};
use crate::set::{Action, Kind};
use crate::store::{BEGINNING, Mark, Marked};

const NEEDS_A_SESSION: &str = "this statement depends on settings of its session, which a pooler in \
                               transaction mode does not keep; run this once over a connection to the server itself: \
                               set DATABASE_URL to its host and port in place of the pooler's";

/// The connection that units are sent over.
pub(super) struct Direct {
    pub(super) client: Client,
    /// Whether the session has the settings that it was opened with: a pooler in transaction mode does not keep them.
    pub(super) is_set: bool,
    /// Lets an interrupt cancel the statements, until it is dropped.
    _registration: Registration,
}

/// The remaining work for a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Everything,
    /// An object of that name exists and is not ours. The server may refuse the statement, and the object must not look
    /// like ours later.
    NotOurs,
}

/// The settings that the session of a migration outside a transaction starts with, because `SET LOCAL` has no effect
/// there.
fn session_settings(whole: &Unit<'_>) -> Vec<(&'static str, String)> {
    let Settings { lock_timeout, statement_timeout, .. } = whole.engine.settings();
    // The framework's own queries find only PostgreSQL's names; the statements get the tenant's path.
    let mut settings =
        vec![("search_path", OWN_PATH.to_owned()), ("lock_timeout", lock_timeout.as_millis().to_string())];
    settings.extend(statement_timeout.map(|timeout| ("statement_timeout", timeout.as_millis().to_string())));
    settings
}

impl Direct {
    fn new(database: &Database, client: Client, is_set: bool) -> Self {
        let registration = database.register(&client);
        Self { client, is_set, _registration: registration }
    }

    /// Opens the second connection, with the settings of a migration if that is possible.
    pub(super) fn open(connection: &mut Connection<'_>, whole: &Unit<'_>) -> Result<Self, Stop> {
        let database = connection.database();
        let opened = if connection.keeps_settings == Some(false) {
            database.connect().map(|client| Self::new(database, client, false))
        } else {
            let opened = database.connect_with(&session_settings(whole));
            opened.map(|(client, is_set)| Self::new(database, client, is_set))
        };
        let direct = opened.map_err(|error| Stop::from(failure(whole, refused(&error))))?;
        connection.keeps_settings = Some(direct.is_set);
        Ok(direct)
    }

    /// Runs the unit, and replaces the mark.
    pub(super) fn run(&mut self, task: &Task<'_>, mark: &mut Marked) -> Result<(), Stop> {
        match &task.unit.kind {
            Kind::Alone(action) => self.alone(task, action, mark),
            Kind::InTransaction => match self.in_transaction(task, mark) {
                // The `idempotent` directive also covers statements that are not known to need it.
                Err(Stop::Failed(failure))
                    if task.migration.is_idempotent()
                        && failure.sqlstate() == Some(SqlState::ACTIVE_SQL_TRANSACTION.code()) =>
                {
                    self.alone(task, &Action::Call, mark)
                }
                done => done,
            },
        }
    }

    /// Sends a unit with its mark: either both are committed, or neither is.
    fn in_transaction(&mut self, task: &Task<'_>, mark: &mut Marked) -> Result<(), Stop> {
        let Task { whole, index, migration, number, unit, reached } = *task;
        let next = reached.mark_before(migration, number + 1);
        let script = whole.outside_script(index, unit, mark, &next);
        send(&mut self.client, whole, &script, index..index + 1)?;
        *mark = Marked::new(next);
        Ok(())
    }

    /// Sends a statement that cannot run in a transaction, unless it turns out to be done.
    fn alone(&mut self, task: &Task<'_>, action: &Action, mark: &mut Marked) -> Result<(), Stop> {
        let Task { migration, number, reached, .. } = *task;
        self.make_sure_of_the_session(task, action)?;
        match self.what_is_left(task, action, mark)? {
            Left::Nothing => {}
            Left::NotOurs => self.send(task)?,
            Left::Everything => {
                let next = if reached.is_anothers(number) {
                    Mark::in_doubt(migration, number)
                } else {
                    self.begun(task, action)?
                };
                self.mark(task, mark, next)?;
                if let Err(stop) = self.send(task) {
                    self.tidy_up(task, action, mark, &stop);
                    return Err(stop);
                }
            }
        }
        self.mark(task, mark, reached.mark_before(migration, number + 1))
    }

    /// After the server has refused a statement, removes what the statement left, and marks it as not begun. If that
    /// fails, the mark stays, and the next run does this.
    fn tidy_up(&mut self, task: &Task<'_>, action: &Action, mark: &mut Marked, stop: &Stop) {
        let Task { whole, migration, number, reached, .. } = *task;
        let is_refused = matches!(stop, Stop::Failed(failure) if failure.server().is_some());
        let Action::CreateIndex(_) = action else { return };
        if !is_refused || self.client.is_closed() {
            return;
        }
        let tidied = match there(&mut self.client, action, whole.schema()) {
            Ok(There::Broken) => match action.cleanup(whole.schema()) {
                Some(cleanup) => self.client.batch_execute(&cleanup),
                None => Ok(()),
            },
            Ok(_) if action.makes_an_unnamed_index() => unnamed(&mut self.client, task, mark).map(|_| ()),
            other => other.map(|_| ()),
        };
        if let Err(error) = tidied {
            log::warn!("{}: the next run removes what a refused statement left: {error}", whole.shown());
        } else if self.mark(task, mark, reached.mark_before(migration, number)).is_err() {
            log::debug!("{}: the mark of a refused statement stays", whole.shown());
        }
    }

    /// The mark of a statement that is about to be sent.
    fn begun(&mut self, task: &Task<'_>, action: &Action) -> Result<Mark, Stop> {
        let mut beside = Vec::new();
        if action.makes_an_unnamed_index() {
            // These tell the new index apart from others with the same definition.
            beside = same_indexes(&mut self.client, task).map_err(|error| task.stop_at_start(&error))?;
        }
        let mut names: Vec<_> = beside.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        Ok(Mark::begun(task.migration, task.number, &names))
    }

    fn mark(&mut self, task: &Task<'_>, mark: &mut Marked, next: Mark) -> Result<(), Stop> {
        let replace = task.whole.replace_mark(mark, &next);
        let statements = [&BEGINNING[..], &[&replace]].concat();
        send_transaction(&mut self.client, task.whole.engine.delivery(), &statements)
            .map_err(|refused| task.stop_at_start(&refused.error))?;
        *mark = Marked::new(next);
        Ok(())
    }

    /// Behind a pooler, nothing is sent whose meaning depends on the settings of a session.
    fn make_sure_of_the_session(&mut self, task: &Task<'_>, action: &Action) -> Result<(), Stop> {
        let Task { whole, migration, unit, .. } = *task;
        let at_start = |error: DriverError| task.stop_at_start(&error);
        if self.is_set {
            if *action == Action::Call {
                hold_call(&mut self.client, whole).map_err(|error| error.map_or(Stop::Busy, at_start))?;
            }
            return Ok(());
        }
        let has_settings = migration.outside().is_some_and(|outside| outside.settings_for(unit).next().is_some());
        let schemas = [whole.schema(), whole.layout().shared.as_str(), "public"];
        let needs_it = *action == Action::Call
            || has_settings
            || match action.path_query(&schemas) {
                Some(query) => is_so(&mut self.client, &query).map_err(at_start)?,
                None => false,
            };
        if !needs_it {
            return Ok(());
        }
        let mut failure = failure(whole, Reason::Refused(NEEDS_A_SESSION.to_owned()));
        task.place(&mut failure, unit.range.start);
        Err(Stop::Failed(Box::new(failure)))
    }

    /// Finds out whether a statement is done. Removes or completes what an earlier run left of it.
    fn what_is_left(&mut self, task: &Task<'_>, action: &Action, mark: &Marked) -> Result<Left, Stop> {
        let Task { whole, migration, number, reached, .. } = *task;
        let (schema, client, is_in_doubt) = (whole.schema(), &mut self.client, reached.is_in_doubt(number));
        let at_start = |error: DriverError| task.stop_at_start(&error);
        let mut there = there(client, action, schema).map_err(at_start)?;
        if is_in_doubt || there == There::Broken {
            wait_for_others(client, whole, action).map_err(|error| error.map_or(Stop::Busy, at_start))?;
            there = self::there(client, action, schema).map_err(at_start)?;
        }
        if is_in_doubt {
            for leftover in leftovers(client, action, schema).map_err(at_start)? {
                log::warn!("{}: removing what an interrupted {} left: {leftover}", whole.shown(), migration.title());
                client.batch_execute(&leftover).map_err(at_start)?;
            }
            if action.makes_an_unnamed_index() {
                there = unnamed(client, task, mark).map_err(at_start)?;
            }
        }
        let is_ours = is_in_doubt && (!reached.is_anothers(number) || action.makes_an_unnamed_index());
        Ok(match there {
            There::All if is_ours || action.is_satisfied_by_what_is_there() => {
                log::info!("{}: a statement of {} is already done", whole.shown(), migration.title());
                Left::Nothing
            }
            // An object that another text has created under this name is not the one that this statement means.
            There::All if is_in_doubt && is_same(client, task).map_err(at_start)? => Left::Nothing,
            There::All => Left::NotOurs,
            There::Broken => {
                if let Some(cleanup) = action.cleanup(schema) {
                    log::warn!("{}: removing the invalid index of an interrupted {}", whole.shown(), migration.title());
                    client.batch_execute(&cleanup).map_err(at_start)?;
                }
                Left::Everything
            }
            There::Half if is_in_doubt => match action.completion(schema) {
                Some(completion) => {
                    client.batch_execute(&completion).map_err(at_start)?;
                    Left::Nothing
                }
                None => Left::Everything,
            },
            There::Half | There::Nothing => Left::Everything,
        })
    }

    fn send(&mut self, task: &Task<'_>) -> Result<(), Stop> {
        let Task { whole, migration, unit, .. } = *task;
        // The session is ours alone and is closed afterwards. Behind a pooler it is not ours, and nothing is sent there
        // whose meaning depends on the path, or that the migrating role, a member of the tenants' role, would do
        // differently.
        let done = if self.is_set { self.send_with_settings(task) } else { self.send_part(task, unit.range.clone()) };
        if self.is_set {
            // A lost connection has nothing to reset.
            for reset in ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"] {
                let _ = self.client.batch_execute(reset);
            }
        }
        done.map_err(|(error, offset)| {
            let mut stop = task.stop(&error, offset);
            if let Stop::Failed(failure) = &mut stop {
                find_blockers(&mut self.client, whole, failure);
            }
            log::debug!("{}: {} stopped at statement {}", whole.shown(), migration.title(), task.number + 1);
            stop
        })
    }

    fn send_with_settings(&mut self, task: &Task<'_>) -> Result<(), (DriverError, usize)> {
        let Task { whole, migration, unit, .. } = *task;
        let start = unit.range.start;
        self.client.batch_execute(&format!("SET search_path = {}", whole.path())).map_err(|error| (error, start))?;
        if let Some(role) = whole.role() {
            self.client.batch_execute(&format!("SET ROLE {}", Ident(role))).map_err(|error| (error, start))?;
        }
        for setting in migration.outside().into_iter().flat_map(|outside| outside.settings_for(unit)) {
            self.send_part(task, setting.clone())?;
        }
        self.send_part(task, unit.range.clone())
    }

    /// Sends a part of the migration's text. An error comes with its offset in the text.
    fn send_part(&mut self, task: &Task<'_>, part: Range<usize>) -> Result<(), (DriverError, usize)> {
        let start = part.start;
        let sent = task.whole.text(task.migration, Some(part));
        self.client.batch_execute(&sent.text).map_err(|error| {
            let offset = match error.as_db_error().and_then(|found| found.position()) {
                Some(ErrorPosition::Original(position)) => {
                    let characters = usize::try_from(*position).unwrap_or(1).saturating_sub(1);
                    let byte = sent.text.char_indices().nth(characters).map_or(sent.text.len(), |(byte, _)| byte);
                    sent.original(byte)
                }
                _ => start,
            };
            (error, offset)
        })
    }
}
