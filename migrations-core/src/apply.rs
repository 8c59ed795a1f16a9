//! Sends one schema its scripts, and says what became of them.

mod outside;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;

use postgres::Client;
use postgres::error::SqlState;

use crate::blockers;
use crate::cause::chain;
use crate::database::Database;
use crate::error::Error;
use crate::failure::{Failure, Reason};
use crate::flush;
use crate::gate::Point;
use crate::inspect::{self, Allowed, Stopped};
use crate::interrupt::Registration;
use crate::locate;
use crate::lock;
use crate::plan;
use crate::retry::{Mishaps, TRIES, is_lost, is_transient};
use crate::script::{Job, Origin, Script, Step};
use crate::server_error::ServerError;
use crate::settings::Commits;

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
    /// Whether a connection that is opened with settings has them: `None` until one was opened.
    keeps_settings: Option<bool>,
    /// For as long as an interrupt is to cancel what is sent.
    registration: Registration,
}

impl<'a> Session<'a> {
    pub(crate) fn new(database: &'a Database, client: Client) -> Self {
        let registration = database.register(&client);
        Self { database, client, seen: 0, keeps_settings: None, registration }
    }

    /// The connection, whose statements an interrupt does not cancel any more.
    pub(crate) fn into_client(self) -> Client {
        self.client
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
        flush::flush(&mut self.client)
    }

    /// Asks something that may be asked again: a connection that is lost is replaced, as often as other work is tried.
    pub(crate) fn ask<T>(
        &mut self,
        mishaps: &Mishaps,
        mut question: impl FnMut(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match question(&mut self.client) {
                Err(error) if error.is_lost_connection() => {
                    mishaps.lost.fetch_add(1, Ordering::Relaxed);
                    if tries == TRIES {
                        return Err(error);
                    }
                    log::warn!("{error}");
                    tries += 1;
                    self.reconnect()?;
                }
                answer => return answer,
            }
        }
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
        let mut job = Job { application_name: self.database.config().get_application_name(), ..*job };
        self.used(job.origin);
        let start = job.applied;
        job.settings.gate.pass(&mut self.client, Point::Planned);
        let mut steps = VecDeque::from(job.steps());
        while let Some(step) = steps.pop_front() {
            if job.settings.interrupt.is_raised() {
                let mut failure = interrupted(&job);
                failure.applied = job.set.titles(start..job.applied);
                return Outcome::Failed(Box::new(failure));
            }
            let is_outside = matches!(step, Step::Outside(_));
            let end = match &step {
                Step::Together(range) => range.end,
                Step::Outside(index) => index + 1,
            };
            let done = match &step {
                Step::Together(range) => self.together(&job, range.clone()),
                Step::Outside(index) => self.outside(&job, *index),
            };
            match done {
                Ok(()) => {
                    job.applied = end;
                    job.claim.digest = Some(job.set.digest_at(end));
                    if job.origin != Origin::Exists && !steps.is_empty() {
                        match plan::catalog_claim(&mut self.client, job.schema()) {
                            Ok(claim) => job.claim.oid = claim.oid,
                            Err(error) => return Outcome::Failed(Box::new(failure(&job, refused(&error)))),
                        }
                    }
                    job.origin = Origin::Exists;
                }
                Err(Refusal::Busy) => return Outcome::Busy,
                Err(Refusal::FleetBusy) => return Outcome::FleetBusy,
                Err(Refusal::Stale) => return Outcome::Stale,
                Err(Refusal::Failed(mut failure)) => {
                    // A new tenant is not to be seen before its last commit: that is for who provisions it.
                    let is_about = Commits::may_help(job.set, failure.sqlstate()) && matches!(step, Step::Together(_));
                    // Another worker may have found it out meanwhile.
                    let mut smaller = job.steps();
                    while is_about
                        && smaller.first() == Some(&step)
                        && job.settings.commits.increase(failure.sqlstate())
                    {
                        smaller = job.steps();
                    }
                    if is_about && smaller.first() != Some(&step) && !job.is_new_tenant() && job.rename_to.is_none() {
                        steps = VecDeque::from(smaller);
                        continue;
                    }
                    failure.applied = job.set.titles(start..job.applied);
                    failure.is_outside = is_outside;
                    return Outcome::Failed(failure);
                }
            }
        }
        job.settings.gate.pass(&mut self.client, Point::Committed);
        Outcome::Done(job.applied - start)
    }

    fn together(&mut self, job: &Job<'_>, migrations: Range<usize>) -> Result<(), Refusal> {
        send(&mut self.client, job, &job.script(migrations.clone()), migrations)
    }
}

/// Sends one transaction.
fn send(client: &mut Client, job: &Job<'_>, script: &Script, migrations: Range<usize>) -> Result<(), Refusal> {
    let sent = if job.inspect {
        let allowed =
            Allowed { schemas: job.allowed_schemas(migrations.clone()), database: job.allows_database(migrations) };
        inspect::send(client, job, script, &allowed)
    } else {
        let sent = client.batch_execute(&script.message());
        sent.map_err(|error| Stopped::Refused { error, sent: script.clone() })
    };
    sent.map_err(|stopped| {
        let (error, sent) = match stopped {
            Stopped::Refused { error, sent } => (error, sent),
            Stopped::Outside(found) => {
                return Refusal::Failed(Box::new(failure(job, Reason::Server(*found))));
            }
        };
        refusal(job, &error, |failure| {
            if failure.sqlstate() == Some(SqlState::LOCK_NOT_AVAILABLE.code()) {
                failure.blockers = blockers::find(client, job.schema(), job.layout().shared.as_str());
            }
            if (is_transient(failure) && !job.is_last_try) || job.settings.interrupt.is_raised() {
                return;
            }
            if let Some(place) = locate::place(client, job, script, &sent, &error) {
                failure.migration = Some(place.migration);
                failure.excerpt = place.excerpt;
            }
        })
    })
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

/// What a cancelled statement would be, between two of them.
fn interrupted(job: &Job<'_>) -> Failure {
    let hint = "run again, which goes on where this ended".to_owned();
    let error = ServerError::raised(SqlState::QUERY_CANCELED.code(), "the run was interrupted".to_owned(), hint);
    failure(job, Reason::Server(error))
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
