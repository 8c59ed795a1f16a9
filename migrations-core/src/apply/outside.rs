//! A migration that runs outside a transaction: unit by unit, each done once.
//!
//! The session's own connection holds the locks, in a transaction that is otherwise idle: it has no snapshot, so that
//! `CREATE INDEX CONCURRENTLY` does not wait for it. A second connection, opened with the migration's settings, sends the
//! units. One that can run in a transaction commits together with its mark in the registry. One that cannot is marked
//! before it starts and when it is done, so that a run after a crash knows what it finds.

use std::ops::Range;
use std::sync::PoisonError;

use postgres::error::{ErrorPosition, SqlState};
use postgres::{Client, SimpleQueryMessage};

use super::{Refusal, Session, failure, interrupted, refusal, refused};
use crate::blockers;
use crate::database::Database;
use crate::event::Event;
use crate::failure::{Failure, Reason};
use crate::gate::Point;
use crate::history;
use crate::interrupt::Registration;
use crate::keepalive::{telling_when_slow, while_kept_alive};
use crate::lock::{self, Polling};
use crate::mark::{Found, Mark, Progress, Unknown};
use crate::script::Job;
use crate::set::{Action, Kind, Migration, Unit, drop_index};
use crate::sql::{BEGINNING, Ident, Literal};
use crate::unfinished;

/// The lock holder waits for as long as an index takes. Not every server has each of these settings.
const WITHOUT_TIMEOUTS: &str = "SELECT set_config(name, '0', true) FROM pg_settings \
                                WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

/// What a tenant waits for when nothing comes.
const SECOND_CONNECTION: &str = "a migration outside a transaction waits for its second connection: a pooler in \
                                 transaction mode that has none to spare, or a server that is slow to accept one; give \
                                 the pooler a larger pool, run with fewer jobs, or connect to the server itself";

const NEEDS_A_SESSION: &str = "what this statement names or does depends on settings of its session, which a pooler in \
                               transaction mode does not keep; run this once over a connection to the server itself: \
                               set DATABASE_URL to its host and port in place of the pooler's";

/// The connection that units are sent over.
struct Direct {
    client: Client,
    /// Whether the session has the settings that it was opened with: a pooler in transaction mode does not give it any.
    is_set: bool,
    /// For as long as an interrupt is to cancel what is sent.
    _registration: Registration,
}

/// What is there of what a statement makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Broken,
    Half,
    All,
}

/// What is left to do for a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Everything,
    /// There is something of that name which is not ours. The server may refuse that, and it must not look like ours later.
    NotOurs,
}

/// One unit of a migration.
#[derive(Clone, Copy)]
struct Task<'a> {
    job: &'a Job<'a>,
    index: usize,
    migration: &'a Migration,
    number: usize,
    unit: &'a Unit,
    progress: Progress,
}

impl Session<'_> {
    /// Runs a migration outside a transaction.
    pub(super) fn outside(&mut self, job: &Job<'_>, index: usize) -> Result<(), Refusal> {
        let migration = &job.set.migrations()[index];
        let Some(outside) = migration.outside() else { return Ok(()) };
        let settings = job.settings;
        let tell = || settings.emit(&Event::Warning { text: SECOND_CONNECTION });
        let mut direct = telling_when_slow(tell, || self.direct(job))?;
        // Whoever holds the locks has one of the pooler's connections and needs another: if several workers had one each,
        // none would get on.
        let _turn = (!direct.is_set).then(|| settings.pooled.lock().unwrap_or_else(PoisonError::into_inner));
        let done = telling_when_slow(tell, || self.hold(job, index, &mut direct)).and_then(|mut mark| {
            let progress = mark.progress(migration);
            if let Progress::Unknown(why) = progress
                && (why == Unknown::AnotherMigrations || outside.has_transactions() && !migration.is_idempotent())
            {
                return Err(unknown(job, migration, mark, why));
            }
            settings.gate.pass(&mut direct.client, Point::Locked);
            for (number, unit) in outside.units().iter().enumerate().skip(progress.first()) {
                if settings.interrupt.is_raised() {
                    return Err(Refusal::Failed(Box::new(interrupted(job))));
                }
                // The locks went with the connection, if that was lost meanwhile.
                self.client.batch_execute("").map_err(|error| titled(job, migration, &error))?;
                let task = Task { job, index, migration, number, unit, progress };
                while_kept_alive(&mut self.client, settings.keep_alive, || direct.run(&task, &mut mark))?;
            }
            settings.gate.pass(&mut direct.client, Point::Applied);
            // The locks are let go by the commit that records what was done under them.
            let renewal = job.rename_to.map(|_| unfinished::renew(job.layout(), job.schema())).unwrap_or_default();
            let (row, record) = (history::insert(job.schema(), migration), job.record(&(index..index + 1)));
            let closing = format!("{row};\n{record};\n{renewal};\nCOMMIT");
            self.client.batch_execute(&closing).map_err(|error| titled(job, migration, &error))
        });
        if done.is_err() {
            // The next job finds the connection as it was. One that is lost is replaced by whoever looks at the failure.
            let _ = self.client.batch_execute("ROLLBACK");
        }
        done
    }

    /// Opens the second connection.
    fn direct(&mut self, job: &Job<'_>) -> Result<Direct, Refusal> {
        let connected = if self.keeps_settings == Some(false) {
            self.database.connect().map(|client| Direct::new(self.database, client, false))
        } else {
            self.database
                .connect_with(&session_settings(job))
                .map(|(client, is_set)| Direct::new(self.database, client, is_set))
        };
        let direct = connected.map_err(|error| Refusal::Failed(Box::new(failure(job, refused(&error)))))?;
        self.keeps_settings = Some(direct.is_set);
        Ok(direct)
    }

    /// Takes the locks, and reads the mark under them.
    fn hold(&mut self, job: &Job<'_>, index: usize, direct: &mut Direct) -> Result<Found, Refusal> {
        let migration = &job.set.migrations()[index];
        let mut opening = vec!["BEGIN".to_owned()];
        opening.extend(job.opening(""));
        opening.push(WITHOUT_TIMEOUTS.to_owned());
        // When a migration of this kind is a set's first.
        if index == 0 {
            opening.push(history::create_table(job.schema()));
        }
        for sql in opening {
            self.client.batch_execute(&sql).map_err(|error| titled(job, migration, &error))?;
        }
        let mark = in_flight(&mut self.client, job).map_err(|error| titled(job, migration, &error))?;
        // A pooler has accepted the connection, and looks for one of the server's when something is sent.
        while_kept_alive(&mut self.client, job.settings.keep_alive, || direct.client.batch_execute(""))
            .map_err(|error| titled(job, migration, &error))?;
        Ok(mark)
    }
}

/// What the session of a migration outside a transaction is opened with, since `SET LOCAL` holds nowhere in it.
fn session_settings(job: &Job<'_>) -> Vec<(&'static str, String)> {
    // The framework's own questions find nothing but PostgreSQL's names; the statements get the tenant's path.
    vec![("search_path", OWN_PATH.to_owned()), ("lock_timeout", job.settings.lock_timeout.as_millis().to_string())]
}

const OWN_PATH: &str = "pg_catalog, pg_temp";

fn titled(job: &Job<'_>, migration: &Migration, error: &postgres::Error) -> Refusal {
    refusal(job, error, |failure| failure.migration = Some(migration.title().to_owned()))
}

/// A mark that does not tell what is done of the migration.
fn unknown(job: &Job<'_>, migration: &Migration, found: Found, why: Unknown) -> Refusal {
    let version = found.mark.map_or(0, |mark| mark.version);
    let anew = format!("where what it did is taken back, let it begin anew: {}", job.forget_mark());
    let repeat = "where its statements are safe to repeat, say `-- migrate: no-transaction idempotent` on top";
    let reason = match why {
        Unknown::Edited => format!(
            "a run stopped in the middle of version {version}, and this file no longer begins with the statements that were \
             done; restore them as they were when they ran, and put what is new behind them; {repeat}; {anew}"
        ),
        Unknown::Replaced => format!(
            "a run stopped in the middle of version {version}, and the schema was replaced since, dropped and created or \
             restored, so that it is not known what is done in it; {repeat}; {anew}"
        ),
        Unknown::AnotherMigrations => format!(
            "a run stopped in the middle of version {version}, which is to go on first; a migration that comes in front of it, \
             or without it, has to run in a transaction meanwhile: finish version {version} as it was, or leave out \
             `-- migrate: no-transaction` here; {anew}"
        ),
    };
    let mut failure = failure(job, Reason::Refused(reason));
    failure.migration = Some(migration.title().to_owned());
    Refusal::Failed(Box::new(failure))
}

impl Direct {
    fn new(database: &Database, client: Client, is_set: bool) -> Self {
        let registration = database.register(&client);
        Self { client, is_set, _registration: registration }
    }

    fn run(&mut self, task: &Task<'_>, mark: &mut Found) -> Result<(), Refusal> {
        match &task.unit.kind {
            Kind::Alone(action) => self.alone(task, action, mark),
            Kind::InTransaction => match self.in_transaction(task, mark) {
                // Its author's word is for statements that are not known to need it too.
                Err(Refusal::Failed(failure))
                    if task.migration.is_idempotent()
                        && failure.sqlstate() == Some(SqlState::ACTIVE_SQL_TRANSACTION.code()) =>
                {
                    self.alone(task, &Action::Call, mark)
                }
                done => done,
            },
        }
    }

    /// Sends a unit with its mark: both are committed, or neither is.
    fn in_transaction(&mut self, task: &Task<'_>, mark: &mut Found) -> Result<(), Refusal> {
        let Task { job, index, migration, number, unit, progress } = *task;
        let next = progress.mark_before(migration, number + 1);
        let script = job.unit_script(index, unit, mark, &next);
        super::send(&mut self.client, job, &script, index..index + 1)?;
        *mark = Found::new(next);
        Ok(())
    }

    /// Sends a statement that no transaction takes, unless it is found done.
    fn alone(&mut self, task: &Task<'_>, action: &Action, mark: &mut Found) -> Result<(), Refusal> {
        let Task { migration, number, progress, .. } = *task;
        self.make_sure_of_the_session(task, action)?;
        match self.what_is_left(task, action, mark)? {
            Left::Nothing => {}
            Left::NotOurs => self.send(task)?,
            Left::Everything => {
                let next = if progress.is_anothers(number) {
                    Mark::in_doubt(migration, number)
                } else {
                    self.begun(task, action)?
                };
                self.mark(task, mark, next)?;
                if let Err(refusal) = self.send(task) {
                    self.tidy_up(task, action, mark, &refusal);
                    return Err(refusal);
                }
            }
        }
        self.mark(task, mark, progress.mark_before(migration, number + 1))
    }

    /// Behind a statement that the server has refused: what is left of it is removed, and it is not begun any more. Where
    /// that cannot be done, the mark stays, and the next run does it.
    fn tidy_up(&mut self, task: &Task<'_>, action: &Action, mark: &mut Found, refusal: &Refusal) {
        let Task { job, migration, number, progress, .. } = *task;
        let is_refused = matches!(refusal, Refusal::Failed(failure) if failure.server().is_some());
        let Action::CreateIndex(_) = action else { return };
        if !is_refused || self.client.is_closed() {
            return;
        }
        let tidied = match there(&mut self.client, action, job.schema()) {
            Ok(There::Broken) => match action.cleanup(job.schema()) {
                Some(cleanup) => self.client.batch_execute(&cleanup),
                None => Ok(()),
            },
            Ok(_) if action.makes_an_unnamed_index() => unnamed(&mut self.client, task, mark).map(|_| ()),
            other => other.map(|_| ()),
        };
        if let Err(error) = tidied {
            log::warn!("{}: what a refused statement has left is removed by the next run: {error}", job.schema());
        } else if self.mark(task, mark, progress.mark_before(migration, number)).is_err() {
            log::debug!("{}: the mark of a refused statement stays", job.schema());
        }
    }

    /// The mark of a statement that is about to be sent.
    fn begun(&mut self, task: &Task<'_>, action: &Action) -> Result<Mark, Refusal> {
        let mut beside = Vec::new();
        if action.makes_an_unnamed_index() {
            // By these the one that is made is told from others of the same definition.
            beside =
                same_indexes(&mut self.client, task).map_err(|error| task.refusal(&error, task.unit.range.start))?;
        }
        let mut names: Vec<_> = beside.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        Ok(Mark::begun(task.migration, task.number, &names))
    }

    fn mark(&mut self, task: &Task<'_>, mark: &mut Found, next: Mark) -> Result<(), Refusal> {
        let message = format!("{};\n{}", BEGINNING.join(";\n"), task.job.replace_mark(mark, &next));
        self.client.batch_execute(&message).map_err(|error| task.refusal(&error, task.unit.range.start))?;
        *mark = Found::new(next);
        Ok(())
    }

    /// Behind a pooler, nothing is sent that means something else without the settings of a session.
    fn make_sure_of_the_session(&mut self, task: &Task<'_>, action: &Action) -> Result<(), Refusal> {
        let Task { job, migration, unit, .. } = *task;
        let at_start = |error: postgres::Error| task.refusal(&error, unit.range.start);
        if self.is_set {
            if *action == Action::Call {
                hold_call(&mut self.client, job).map_err(|error| error.map_or(Refusal::Busy, at_start))?;
            }
            return Ok(());
        }
        let has_settings = migration.outside().is_some_and(|outside| outside.settings_for(unit).next().is_some());
        let schemas = [job.schema(), job.layout().shared.as_str(), "public"];
        let needs_it = *action == Action::Call
            || has_settings
            || match action.path_query(&schemas) {
                Some(query) => is_so(&mut self.client, &query).map_err(at_start)?,
                None => false,
            };
        if !needs_it {
            return Ok(());
        }
        let mut failure = failure(job, Reason::Refused(NEEDS_A_SESSION.to_owned()));
        task.place(&mut failure, unit.range.start);
        Err(Refusal::Failed(Box::new(failure)))
    }

    /// Finds out whether a statement is done. What a run before this one left of it is removed, or brought to its end.
    fn what_is_left(&mut self, task: &Task<'_>, action: &Action, mark: &Found) -> Result<Left, Refusal> {
        let Task { job, migration, number, unit, progress, .. } = *task;
        let (schema, client, is_in_doubt) = (job.schema(), &mut self.client, progress.is_in_doubt(number));
        let at_start = |error: postgres::Error| task.refusal(&error, unit.range.start);
        let mut there = there(client, action, schema).map_err(at_start)?;
        if is_in_doubt || there == There::Broken {
            wait_for_others(client, job, action).map_err(|error| error.map_or(Refusal::Busy, at_start))?;
            there = self::there(client, action, schema).map_err(at_start)?;
        }
        if is_in_doubt {
            for leftover in leftovers(client, action, schema).map_err(at_start)? {
                log::warn!("{schema}: removing what an interrupted {} left: {leftover}", migration.title());
                client.batch_execute(&leftover).map_err(at_start)?;
            }
            if action.makes_an_unnamed_index() {
                there = unnamed(client, task, mark).map_err(at_start)?;
            }
        }
        let is_ours = is_in_doubt && (!progress.is_anothers(number) || action.makes_an_unnamed_index());
        Ok(match there {
            There::All if is_ours || action.is_satisfied_by_what_is_there() => {
                log::info!("{schema}: a statement of {} is done already", migration.title());
                Left::Nothing
            }
            // What another text has made under this name is not what this one means.
            There::All if is_in_doubt && is_same(client, task).map_err(at_start)? => Left::Nothing,
            There::All => Left::NotOurs,
            There::Broken => {
                if let Some(cleanup) = action.cleanup(schema) {
                    log::warn!("{schema}: removing the invalid index that an interrupted {} left", migration.title());
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

    fn send(&mut self, task: &Task<'_>) -> Result<(), Refusal> {
        let Task { job, migration, unit, .. } = *task;
        // The session is ours alone, and closed afterwards. Behind a pooler it is not, and nothing is sent there that means
        // something else without the path, or that the migrating role, a member of the tenants', would do otherwise.
        let done = if self.is_set { self.send_with_settings(task) } else { self.send_part(task, unit.range.clone()) };
        if self.is_set {
            // On a connection that is lost there is nothing to reset.
            let _ = self.client.batch_execute("RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL");
        }
        done.map_err(|(error, offset)| {
            let mut refusal = task.refusal(&error, offset);
            if let Refusal::Failed(failure) = &mut refusal
                && failure.sqlstate() == Some(SqlState::LOCK_NOT_AVAILABLE.code())
            {
                failure.blockers = blockers::find(&mut self.client, job.schema(), job.layout().shared.as_str());
            }
            log::debug!("{}: {} stopped in its statement {}", job.schema(), migration.title(), task.number + 1);
            refusal
        })
    }

    fn send_with_settings(&mut self, task: &Task<'_>) -> Result<(), (postgres::Error, usize)> {
        let Task { job, migration, unit, .. } = *task;
        let start = unit.range.start;
        self.client.batch_execute(&format!("SET search_path = {}", job.path())).map_err(|error| (error, start))?;
        if let Some(role) = job.role() {
            self.client.batch_execute(&format!("SET ROLE {}", Ident(role))).map_err(|error| (error, start))?;
        }
        for setting in migration.outside().into_iter().flat_map(|outside| outside.settings_for(unit)) {
            self.send_part(task, setting.clone())?;
        }
        self.send_part(task, unit.range.clone())
    }

    /// Sends a part of the migration's text. An error comes with its offset in the text.
    fn send_part(&mut self, task: &Task<'_>, part: Range<usize>) -> Result<(), (postgres::Error, usize)> {
        let start = part.start;
        let sent = task.job.text(task.migration, Some(part));
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

impl Task<'_> {
    fn place(&self, failure: &mut Failure, offset: usize) {
        failure.migration = Some(self.migration.title().to_owned());
        failure.excerpt = Some(self.migration.excerpt(offset));
    }

    fn refusal(&self, error: &postgres::Error, offset: usize) -> Refusal {
        refusal(self.job, error, |failure| self.place(failure, offset))
    }
}

/// The answer to a question with one row and one column.
fn is_so(client: &mut Client, query: &str) -> Result<bool, postgres::Error> {
    Ok(client.query_typed(query, &[])?.first().is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
}

/// Takes a lock of the session's own for a procedure, which commits on its way. A runner that is killed leaves the server at
/// work, with nothing else to know it by. `Err(None)`: timed out.
fn hold_call(client: &mut Client, job: &Job<'_>) -> Result<(), Option<postgres::Error>> {
    let name = format!("call {}", job.schema());
    let key = lock::key(&job.layout().registry, &Literal(&name).to_string());
    let query = format!("SELECT pg_try_advisory_lock({key})");
    let mut polling = Polling::new(job.settings.lock_wait);
    while !is_so(client, &query)? {
        let what = format!("{}: a procedure that an interrupted run has left under way on the server", job.schema());
        job.settings.wait(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

/// Waits until no other session is at a statement that a run before this one had begun: its runner may be dead, and the
/// server still at work for it. `Err(None)`: timed out.
fn wait_for_others(client: &mut Client, job: &Job<'_>, action: &Action) -> Result<(), Option<postgres::Error>> {
    let query = action.is_under_way_query(job.schema());
    let mut polling = Polling::new(job.settings.lock_wait);
    while is_so(client, &query)? {
        let what = format!("{}: what an interrupted run has left under way on the server", job.schema());
        job.settings.wait(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

fn leftovers(client: &mut Client, action: &Action, schema: &str) -> Result<Vec<String>, postgres::Error> {
    let Some(query) = action.leftovers_query(schema) else { return Ok(Vec::new()) };
    Ok(client.query_typed(&query, &[])?.iter().map(|row| row.get(0)).collect())
}

fn there(client: &mut Client, action: &Action, schema: &str) -> Result<There, postgres::Error> {
    let Some(query) = action.progress_query(schema) else { return Ok(There::Nothing) };
    let rows = client.query_typed(&query, &[])?;
    Ok(match rows.first().map(|row| row.get::<_, &str>(0)) {
        Some("done") => There::All,
        Some("broken") => There::Broken,
        Some("pending") => There::Half,
        _ => There::Nothing,
    })
}

/// Looks for an index without a name: there is one more of its definition than when it was begun. One that is invalid is
/// removed.
fn unnamed(client: &mut Client, task: &Task<'_>, mark: &Found) -> Result<There, postgres::Error> {
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
        log::warn!("{}: removing the invalid index that an interrupted run left: {name}", task.job.schema());
        client.batch_execute(&drop_index(name))?;
    }
    Ok(There::Nothing)
}

/// Whether what is there is what the statement would make. Where nothing can be compared, it is.
fn is_same(client: &mut Client, task: &Task<'_>) -> Result<bool, postgres::Error> {
    let can_be_compared = task.unit.comparison(task.migration, task.job.schema()).is_some();
    Ok(!can_be_compared || !same_indexes(client, task)?.is_empty())
}

/// The indexes that are what the statement would make: their names in full, and whether they are valid.
fn same_indexes(client: &mut Client, task: &Task<'_>) -> Result<Vec<(String, bool)>, postgres::Error> {
    let Some(comparison) = task.unit.comparison(task.migration, task.job.schema()) else { return Ok(Vec::new()) };
    // Dropping the transaction rolls it back.
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&task.job.search_path())?;
    for statement in &comparison.preparation {
        transaction.batch_execute(statement)?;
    }
    transaction.batch_execute(&format!("SET LOCAL search_path = {OWN_PATH}"))?;
    let rows = transaction.query_typed(&comparison.question, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The mark in the registry. Asked by a simple query: the extended protocol leaves a portal behind, whose snapshot
/// `CREATE INDEX CONCURRENTLY` would wait for.
fn in_flight(holder: &mut Client, job: &Job<'_>) -> Result<Found, postgres::Error> {
    let messages = holder.simple_query(&job.in_flight())?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |index| row.and_then(|row| row.get(index)).and_then(|number| number.parse().ok());
    let is_about_this_schema = row.is_some_and(|row| row.get(4) == Some("t"));
    let (Some(version), Some(done)) = (column(0), column(1)) else { return Ok(Found::default()) };
    Ok(Found { mark: Some(Mark { version, done, before: column(2), next: column(3) }), is_about_this_schema })
}
