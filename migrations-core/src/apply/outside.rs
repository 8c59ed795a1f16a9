//! A `no-transaction` migration: statement by statement, each with its mark.
//!
//! The session's own connection holds the locks, in a transaction that is otherwise idle: it has no snapshot, so that
//! `CREATE INDEX CONCURRENTLY` does not wait for it. A second connection, opened with the migration's settings, sends the
//! statements. What is under way is marked in the registry first, so that a run after a crash knows what it finds.

use std::sync::PoisonError;

use postgres::error::ErrorPosition;
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
use crate::mark::{Begun, Mark};
use crate::script::Job;
use crate::set::{Migration, Mode, Outside};
use crate::sql::{Ident, Literal};
use crate::unfinished;

/// The lock holder waits for as long as an index takes. Not every server has each of these settings.
const WITHOUT_TIMEOUTS: &str = "SELECT set_config(name, '0', true) FROM pg_settings \
                                WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

/// What a tenant waits for when nothing comes.
const SECOND_CONNECTION: &str = "a migration outside a transaction waits for its second connection: a pooler in \
                                 transaction mode that has none to spare, or a server that is slow to accept one; give \
                                 the pooler a larger pool, run with fewer jobs, or connect to the server itself";

const NEEDS_THE_PATH: &str = "what this statement names is looked up by the search_path, which a pooler in transaction \
                              mode does not keep for a session; run this once over a connection to the server itself: \
                              set DATABASE_URL to its host and port in place of the pooler's";

/// The connection that statements are sent over.
struct Direct {
    client: Client,
    /// Whether the session has the settings that it was opened with: a pooler in transaction mode does not give it any.
    is_set: bool,
    /// For as long as an interrupt is to cancel what is sent.
    _registration: Registration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Broken,
    Pending,
    Done,
}

/// One statement of a migration.
struct Task<'a> {
    job: &'a Job<'a>,
    migration: &'a Migration,
    number: usize,
    statement: &'a Outside,
    begun: Begun,
}

impl Session<'_> {
    /// Runs a `no-transaction` migration.
    pub(super) fn outside(&mut self, job: &Job<'_>, index: usize) -> Result<(), Refusal> {
        let migration = &job.set.migrations()[index];
        let Mode::Outside { statements, .. } = migration.mode() else { return Ok(()) };
        let settings = job.settings;
        let tell = || settings.emit(&Event::Warning { text: SECOND_CONNECTION });
        let mut direct = telling_when_slow(tell, || self.direct(job))?;
        // Whoever holds the locks has one of the pooler's connections and needs another: if several workers had one each,
        // none would get on.
        let _turn = (!direct.is_set).then(|| settings.pooled.lock().unwrap_or_else(PoisonError::into_inner));
        let done = telling_when_slow(tell, || self.hold(job, index, &mut direct)).and_then(|mark| {
            let begun = Begun::new(mark, migration, statements);
            settings.gate.pass(&mut direct.client, Point::Locked);
            for (number, statement) in statements.iter().enumerate() {
                if begun.is_behind(number) {
                    continue;
                }
                if settings.interrupt.is_raised() {
                    return Err(Refusal::Failed(Box::new(interrupted(job))));
                }
                // The locks went with the connection, if that was lost meanwhile.
                self.client.batch_execute("SELECT").map_err(|error| titled(job, migration, &error))?;
                let task = Task { job, migration, number, statement, begun };
                while_kept_alive(&mut self.client, settings.keep_alive, || direct.run(&task))?;
            }
            settings.gate.pass(&mut direct.client, Point::Applied);
            // The locks are let go by the commit that records what was done under them.
            let renewal = job.rename_to.map(|_| unfinished::renew(job.layout(), job.schema())).unwrap_or_default();
            let (row, record) = (history::insert(job.schema(), migration), job.record(index + 1));
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
    fn hold(&mut self, job: &Job<'_>, index: usize, direct: &mut Direct) -> Result<Option<Mark>, Refusal> {
        let migration = &job.set.migrations()[index];
        let mut opening = vec!["BEGIN".to_owned()];
        opening.extend(job.opening());
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

impl Direct {
    fn new(database: &Database, client: Client, is_set: bool) -> Self {
        let registration = database.register(&client);
        Self { client, is_set, _registration: registration }
    }

    fn run(&mut self, task: &Task<'_>) -> Result<(), Refusal> {
        let Task { job, migration, number, statement, begun } = *task;
        let (schema, client) = (job.schema(), &mut self.client);
        let in_doubt = begun.is_in_doubt(number);
        let at_start = |error: postgres::Error| task.refusal(&error, statement.range.start);

        if !self.is_set && needs_the_path(client, job, statement).map_err(at_start)? {
            let mut failure = failure(job, Reason::Refused(NEEDS_THE_PATH.to_owned()));
            task.place(&mut failure, statement.range.start);
            return Err(Refusal::Failed(Box::new(failure)));
        }
        if self.is_set && statement.is_call() {
            hold_call(client, job).map_err(|error| error.map_or(Refusal::Busy, at_start))?;
        }
        if in_doubt {
            wait_for_others(client, job, statement).map_err(|error| error.map_or(Refusal::Busy, at_start))?;
            for leftover in leftovers(client, statement, schema).map_err(at_start)? {
                log::warn!("{schema}: removing what an interrupted {} left: {leftover}", migration.title());
                client.batch_execute(&leftover).map_err(at_start)?;
            }
        }
        let mut progress = progress(client, statement, schema).map_err(at_start)?;
        // What another text has made under this name is not what this one means.
        if progress == Progress::Done && begun == Begun::Somewhere && !is_same(client, task).map_err(at_start)? {
            progress = Progress::Open;
        } else if progress == Progress::Done && in_doubt {
            log::info!("{schema}: a statement of {} was done before the run was cut off", migration.title());
            return Ok(());
        }
        if progress == Progress::Broken
            && let Some(cleanup) = statement.cleanup(schema)
        {
            log::warn!("{schema}: removing the invalid index that an interrupted {} left", migration.title());
            client.batch_execute(&cleanup).map_err(at_start)?;
        }
        if progress == Progress::Pending
            && in_doubt
            && let Some(completion) = statement.completion(schema)
        {
            return client.batch_execute(&completion).map_err(at_start);
        }
        // Something of that name which is not ours is the server's to refuse, and must not look like ours later. A mark of
        // another text stays, since a new one would say that everything behind it is not begun.
        if progress != Progress::Done && begun != Begun::Somewhere {
            let mark = Mark::new(migration, number, statement);
            client.batch_execute(&job.mark_in_flight(&mark)).map_err(at_start)?;
        }
        let sent = statement.qualified(migration.sql(), schema);
        // The session is ours alone, and closed afterwards. Behind a pooler it is not, and nothing is sent there that means
        // something else without the path, or that the migrating role, a member of the tenants', would do otherwise.
        if self.is_set {
            let role = job.role().map_or_else(String::new, |role| format!("; SET ROLE {}", Ident(role)));
            client.batch_execute(&format!("SET search_path = {}{role}", job.path())).map_err(at_start)?;
        }
        let done = client.batch_execute(&sent);
        if self.is_set {
            // On a connection that is lost there is nothing to reset.
            let _ = client.batch_execute(&format!("RESET ROLE; SET search_path = {OWN_PATH}"));
        }
        let Err(error) = done else { return Ok(()) };
        let offset = match error.as_db_error().and_then(|found| found.position()) {
            Some(ErrorPosition::Original(position)) => {
                let characters = usize::try_from(*position).unwrap_or(1).saturating_sub(1);
                let offset = sent.char_indices().nth(characters).map_or(sent.len(), |(offset, _)| offset);
                statement.source_offset(schema, offset)
            }
            _ => statement.range.start,
        };
        let mut refusal = task.refusal(&error, offset);
        if let Refusal::Failed(failure) = &mut refusal
            && failure.sqlstate() == Some("55P03")
        {
            failure.blockers = blockers::find(client, schema, job.layout().shared.as_str());
        }
        Err(refusal)
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

/// Whether the statement would mean something else in a session without the path.
fn needs_the_path(client: &mut Client, job: &Job<'_>, statement: &Outside) -> Result<bool, postgres::Error> {
    if statement.is_call() {
        return Ok(true);
    }
    let schemas = [job.schema(), job.layout().shared.as_str(), "public"];
    let Some(query) = statement.path_query(&schemas) else { return Ok(false) };
    Ok(client.query_typed(&query, &[])?.first().is_some_and(|row| row.get(0)))
}

/// Takes a lock of the session's own for a procedure, which commits on its way. A runner that is killed leaves the server at
/// work, with nothing else to know it by. `Err(None)`: timed out.
fn hold_call(client: &mut Client, job: &Job<'_>) -> Result<(), Option<postgres::Error>> {
    let name = format!("call {}", job.schema());
    let key = lock::key(&job.layout().registry, &Literal(&name).to_string());
    let query = format!("SELECT pg_try_advisory_lock({key})");
    let mut polling = Polling::new(job.settings.lock_wait);
    while !client.query_typed(&query, &[])?.first().is_some_and(|row| row.get(0)) {
        let what = format!("{}: a procedure that an interrupted run has left under way on the server", job.schema());
        job.settings.wait(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

/// Waits until no other session is at a statement that a run before this one had begun: its runner may be dead, and the
/// server still at work for it. `Err(None)`: timed out.
fn wait_for_others(client: &mut Client, job: &Job<'_>, statement: &Outside) -> Result<(), Option<postgres::Error>> {
    let query = statement.is_under_way_query(job.schema());
    let mut polling = Polling::new(job.settings.lock_wait);
    while client.query_typed(&query, &[])?.first().is_some_and(|row| row.get(0)) {
        let what = format!("{}: what an interrupted run has left under way on the server", job.schema());
        job.settings.wait(&mut polling, &what).map_err(|_| None)?;
    }
    Ok(())
}

fn leftovers(client: &mut Client, statement: &Outside, schema: &str) -> Result<Vec<String>, postgres::Error> {
    let Some(query) = statement.leftovers_query(schema) else { return Ok(Vec::new()) };
    Ok(client.query_typed(&query, &[])?.iter().map(|row| row.get(0)).collect())
}

fn progress(client: &mut Client, statement: &Outside, schema: &str) -> Result<Progress, postgres::Error> {
    let Some(query) = statement.progress_query(schema) else { return Ok(Progress::Open) };
    let rows = client.query_typed(&query, &[])?;
    Ok(match rows.first().map(|row| row.get::<_, &str>(0)) {
        Some("done") => Progress::Done,
        Some("broken") => Progress::Broken,
        Some("pending") => Progress::Pending,
        _ => Progress::Open,
    })
}

/// Whether what is there is what the statement would make. Where nothing can be compared, it is.
fn is_same(client: &mut Client, task: &Task<'_>) -> Result<bool, postgres::Error> {
    let Some(statements) = task.statement.comparison(task.migration.sql(), task.job.schema()) else { return Ok(true) };
    // Dropping the transaction rolls it back.
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&task.job.search_path())?;
    let Some((question, preparation)) = statements.split_last() else { return Ok(true) };
    for statement in preparation {
        transaction.batch_execute(statement)?;
    }
    transaction.batch_execute(&format!("SET LOCAL search_path = {OWN_PATH}"))?;
    Ok(transaction.query_typed(question, &[])?.first().is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
}

/// The mark of a statement that was begun. Asked by a simple query: the extended protocol leaves a portal behind, whose
/// snapshot `CREATE INDEX CONCURRENTLY` would wait for.
fn in_flight(holder: &mut Client, job: &Job<'_>) -> Result<Option<Mark>, postgres::Error> {
    let messages = holder.simple_query(&job.in_flight())?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |index| row.and_then(|row| row.get(index)).and_then(|number| number.parse().ok());
    let (Some(version), Some(statement)) = (column(0), column(1)) else { return Ok(None) };
    Ok(Some(Mark { version, statement, file: column(2), text: column(3) }))
}
