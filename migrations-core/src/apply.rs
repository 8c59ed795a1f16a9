//! Sends one schema its scripts, and says what became of them.

use std::sync::atomic::Ordering;

use postgres::error::{ErrorPosition, SqlState};
use postgres::{Client, SimpleQueryMessage};

use crate::blockers;
use crate::cause::chain;
use crate::database::Database;
use crate::error::Error;
use crate::failure::{Failure, Reason};
use crate::gate::Point;
use crate::history;
use crate::interrupt::Registration;
use crate::locate;
use crate::lock::{self, Polling};
use crate::retry::{Mishaps, is_lost, is_transient};
use crate::script::{Job, Origin, Script, Step};
use crate::server_error::ServerError;
use crate::set::{Mode, Outside};

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// So many migrations were applied.
    Done(usize),
    /// Somebody else is at work on it.
    Busy,
    /// Somebody else changes what all share, or anything at all.
    FleetBusy,
    /// The plan does not hold any more: look again.
    Stale,
    /// It cannot be done as it is.
    Failed(Box<Failure>),
}

/// The lock holder waits for as long as an index takes. Not every server has each of these settings.
const WITHOUT_TIMEOUTS: &str = "SELECT set_config(name, '0', true) FROM pg_settings \
                                WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

/// Why a step was not done.
enum Refusal {
    Busy,
    FleetBusy,
    Stale,
    Failed(Box<Failure>),
}

/// Schemas that are migrated by a step or two, to one that is made: so many fill a backend's caches as much (measured: a
/// twelfth for a column and an index, so this is on the safe side).
const PARTS: usize = 4;

/// A connection that jobs are sent over, and one more for those that need it.
pub(crate) struct Session<'a> {
    database: &'a Database,
    pub(crate) client: Client,
    /// What the connection's backend has seen and keeps in its caches, in parts of a new schema.
    seen: usize,
    /// For as long as an interrupt is to cancel what is sent.
    registration: Registration,
}

impl<'a> Session<'a> {
    pub(crate) fn new(database: &'a Database, client: Client) -> Self {
        let registration = database.register(&client);
        Self { database, client, seen: 0, registration }
    }

    pub(crate) fn database(&self) -> &'a Database {
        self.database
    }

    /// Makes sure of the connection behind a failure.
    pub(crate) fn recover(&mut self, failure: &Failure) -> Result<(), Error> {
        if is_lost(failure) || self.client.is_closed() { self.reconnect() } else { Ok(()) }
    }

    /// Replaces the connection.
    pub(crate) fn reconnect(&mut self) -> Result<(), Error> {
        self.client = self.database.ready()?;
        self.registration = self.database.register(&self.client);
        self.seen = 0;
        Ok(())
    }

    /// Waits until everything that was committed so far is on disk.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        // A commit that writes nothing waits for nothing: the transaction needs an id.
        let message = "SET LOCAL synchronous_commit = on; SELECT pg_current_xact_id()";
        self.client.batch_execute(message).map_err(|error| Error::from_driver("waiting for the disk", &error))
    }

    /// The connection was used for one schema more.
    pub(crate) fn used(&mut self, origin: Origin) {
        self.seen += match origin {
            Origin::Created { .. } => PARTS,
            Origin::Exists => 1,
        };
    }

    /// Replaces a connection that was used for so many new schemas, or for several times as many that were there: a
    /// backend's caches grow with each, and are never emptied.
    pub(crate) fn renew_after(&mut self, schemas: usize, mishaps: &Mishaps) -> Result<(), Error> {
        if self.seen < schemas.saturating_mul(PARTS) {
            return Ok(());
        }
        // The new connection would not notice that the server went down with what was committed over this one.
        if let Err(error) = self.flush() {
            log::warn!("{error}");
            mishaps.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.reconnect()
    }

    /// Brings one schema to the end of its set.
    pub(crate) fn apply(&mut self, job: &Job<'_>) -> Outcome {
        let mut job = *job;
        self.used(job.origin);
        let start = job.applied;
        job.settings.gate.pass(&mut self.client, Point::Planned);
        for step in job.steps() {
            let is_outside = matches!(step, Step::Outside(_));
            let end = match &step {
                Step::Together(range) => range.end,
                Step::Outside(index) => index + 1,
            };
            let done = match step {
                Step::Together(range) => self.together(&job, &job.script(range)),
                Step::Outside(index) => self.outside(&job, index),
            };
            match done {
                Ok(()) => {
                    job.applied = end;
                    job.claim.digest = Some(job.set.digest_at(end));
                }
                Err(Refusal::Busy) => return Outcome::Busy,
                Err(Refusal::FleetBusy) => return Outcome::FleetBusy,
                Err(Refusal::Stale) => return Outcome::Stale,
                Err(Refusal::Failed(mut failure)) => {
                    failure.applied = job.set.titles(start..job.applied);
                    failure.is_outside = is_outside;
                    return Outcome::Failed(failure);
                }
            }
        }
        job.settings.gate.pass(&mut self.client, Point::Committed);
        Outcome::Done(job.applied - start)
    }

    fn together(&mut self, job: &Job<'_>, script: &Script) -> Result<(), Refusal> {
        self.client.batch_execute(&script.message()).map_err(|error| {
            refusal(job, &error, |failure| {
                if failure.sqlstate() == Some(SqlState::LOCK_NOT_AVAILABLE.code()) {
                    failure.blockers = blockers::find(&mut self.client, job.schema(), job.layout().shared.as_str());
                }
                if (is_transient(failure) && !job.is_last_try) || job.settings.interrupt.is_raised() {
                    return;
                }
                if let Some(place) = locate::place(&mut self.client, job, script, &error) {
                    failure.migration = Some(place.migration);
                    failure.excerpt = Some(place.excerpt);
                }
            })
        })
    }

    /// Runs a `no-transaction` migration. A second connection holds the locks in a transaction that is otherwise idle: it
    /// has no snapshot, so that `CREATE INDEX CONCURRENTLY` does not wait for it. What is under way is marked in the
    /// registry first, so that a run after a crash knows what it finds.
    fn outside(&mut self, job: &Job<'_>, index: usize) -> Result<(), Refusal> {
        let migration = &job.set.migrations()[index];
        let Mode::Outside { statements, .. } = migration.mode() else { return Ok(()) };
        let fail = |error: &postgres::Error| refusal(job, error, |f| f.migration = Some(migration.title().to_owned()));

        let mut holder =
            self.database.connect().map_err(|error| Refusal::Failed(Box::new(failure(job, refused(&error)))))?;
        let mut opening = vec!["BEGIN".to_owned()];
        opening.extend(job.opening());
        opening.push(WITHOUT_TIMEOUTS.to_owned());
        opening.push(history_table(job, index));
        for sql in opening {
            holder.batch_execute(&sql).map_err(|error| fail(&error))?;
        }
        job.settings.gate.pass(&mut self.client, Point::Locked);
        let (version, begun) = in_flight(&mut holder, job).map_err(|error| fail(&error))?;
        let begun = begun.filter(|_| version == Some(migration.version()));

        for (number, statement) in statements.iter().enumerate() {
            if begun.is_some_and(|begun| number < begun) {
                continue;
            }
            self.statement(job, index, number, statement, begun == Some(number))?;
        }

        job.settings.gate.pass(&mut self.client, Point::Applied);
        // The locks are let go by the commit that records what was done under them.
        let closing = format!("{};\n{};\nCOMMIT", history::insert(job.schema(), migration), job.record(index + 1));
        holder.batch_execute(&closing).map_err(|error| fail(&error))
    }

    /// Runs one statement of a `no-transaction` migration; `in_doubt` when a run before this one had begun it.
    fn statement(
        &mut self,
        job: &Job<'_>,
        index: usize,
        number: usize,
        statement: &Outside,
        in_doubt: bool,
    ) -> Result<(), Refusal> {
        let migration = &job.set.migrations()[index];
        let schema = job.schema();
        let client = &mut self.client;
        let sent = statement.qualified(migration.sql(), schema);
        let at = |offset: usize| {
            move |failure: &mut Failure| {
                failure.migration = Some(migration.title().to_owned());
                failure.excerpt = Some(migration.excerpt(offset));
            }
        };
        let at_start = |error: postgres::Error| refusal(job, &error, at(statement.range.start));

        if in_doubt {
            wait_for_others(client, job, statement).map_err(|error| error.map_or(Refusal::Busy, at_start))?;
        }
        let progress = progress(client, statement, schema).map_err(at_start)?;
        if progress == Progress::Done && in_doubt {
            log::info!("{}: {} was done before the run was cut off", schema, migration.title());
            return Ok(());
        }
        if progress == Progress::Broken
            && let Some(cleanup) = statement.cleanup(schema)
        {
            log::warn!("{schema}: removing the invalid index that an interrupted {} left", migration.title());
            client.batch_execute(&cleanup).map_err(at_start)?;
        }
        // Something of that name which is not ours is the server's to refuse, and must not look like ours later.
        if progress != Progress::Done {
            client.batch_execute(&job.mark_in_flight(migration.version(), number)).map_err(at_start)?;
        }
        client.batch_execute(&sent).map_err(|error| {
            let offset = match error.as_db_error().and_then(|found| found.position()) {
                Some(ErrorPosition::Original(position)) => {
                    let characters = usize::try_from(*position).unwrap_or(1).saturating_sub(1);
                    let offset = sent.char_indices().nth(characters).map_or(sent.len(), |(offset, _)| offset);
                    statement.source_offset(schema, offset)
                }
                _ => statement.range.start,
            };
            refusal(job, &error, at(offset))
        })
    }
}

/// The history table, when a `no-transaction` migration is a set's first.
fn history_table(job: &Job<'_>, index: usize) -> String {
    if index == 0 { history::create_table(job.schema()) } else { String::new() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Broken,
    Done,
}

/// Waits until no other session is at a statement that a run before this one had begun: its runner may be dead, and the
/// server still at work for it. Nothing, in place of an error, is that it took too long.
fn wait_for_others(client: &mut Client, job: &Job<'_>, statement: &Outside) -> Result<(), Option<postgres::Error>> {
    let Some(query) = statement.is_under_way_query(job.schema()) else { return Ok(()) };
    let mut polling = Polling::new(job.settings.lock_wait);
    while client.query_typed(&query, &[])?.first().is_some_and(|row| row.get(0)) {
        let what = format!("{}: what an interrupted run has left under way on the server", job.schema());
        job.settings.wait(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

fn progress(client: &mut Client, statement: &Outside, schema: &str) -> Result<Progress, postgres::Error> {
    let Some(query) = statement.progress_query(schema) else { return Ok(Progress::Open) };
    let rows = client.query_typed(&query, &[])?;
    Ok(match rows.first().map(|row| row.get::<_, &str>(0)) {
        Some("done") => Progress::Done,
        Some("broken") => Progress::Broken,
        _ => Progress::Open,
    })
}

/// The mark of a statement that was begun. Asked by a simple query: the extended protocol leaves a portal behind, whose
/// snapshot `CREATE INDEX CONCURRENTLY` would wait for.
fn in_flight(holder: &mut Client, job: &Job<'_>) -> Result<(Option<i64>, Option<usize>), postgres::Error> {
    let messages = holder.simple_query(&job.in_flight())?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |index| row.and_then(|row| row.get(index));
    Ok((column(0).and_then(|version| version.parse().ok()), column(1).and_then(|statement| statement.parse().ok())))
}

/// What an error means for the job.
fn refusal(job: &Job<'_>, error: &postgres::Error, describe: impl FnOnce(&mut Failure)) -> Refusal {
    let Some(found) = error.as_db_error() else {
        return Refusal::Failed(Box::new(failure(job, Reason::ConnectionLost(chain(error)))));
    };
    match found.code().code() {
        lock::FLEET_BUSY => Refusal::FleetBusy,
        lock::TENANT_BUSY => Refusal::Busy,
        lock::STALE => Refusal::Stale,
        _ => {
            let mut failure = failure(job, Reason::Server(ServerError::new(found)));
            describe(&mut failure);
            Refusal::Failed(Box::new(failure))
        }
    }
}

/// A failure that is not about a place in a migration.
pub(crate) fn failure(job: &Job<'_>, reason: Reason) -> Failure {
    Failure::new(job.set.name().clone(), job.tenant().cloned(), reason)
}

fn refused(error: &Error) -> Reason {
    match error {
        Error::Connect(refused) => match refused.server() {
            Some(said) => Reason::Server(ServerError::new(said)),
            None => Reason::ConnectionLost(error.to_string()),
        },
        _ => Reason::ConnectionLost(error.to_string()),
    }
}
