//! `up`: brings the database to the state that the binary expects, or shows the SQL for it.

mod dry_run;

use std::fmt::{self, Write};

use comfy_table::Cell;
#[cfg(feature = "embedded")]
use migrations_core::TenantName;
use migrations_core::{Database, Migrator, OutcomeKind, Report, RunError, RunOptions, TenantCounts, TenantOutcome};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::Up;
use crate::error::{Error, Exit};
use crate::output::json::{ErrorObject, FailureObject, milliseconds};
use crate::output::text::{self, Column};
use crate::output::{Output, Paper, View};

/// Up to this number, every tenant gets a line; of more tenants, only counts and the slowest are shown.
const MOST_ROWS: usize = 20;

/// How many of the slowest tenants are named.
const SLOWEST: usize = 3;

pub(crate) fn run(args: Up, migrator: Migrator, database: &Database, output: &mut Output<'_>) -> Result<Exit, Error> {
    let shared_only = args.shared_only;
    let migrator = adjust(migrator, &args);
    let options = RunOptions::default().create(args.create).shared_only(shared_only).verify(args.verify);
    let options = if args.tenant.is_empty() { options } else { options.only(args.tenant) };
    let database = args.wait.map_or_else(|| database.clone(), |wait| database.clone().with_wait(wait));
    if args.dry_run {
        return dry_run::run(&migrator, &database, &options, output);
    }
    let report = match migrator.run_with(&database, &options) {
        Ok(report) => report,
        Err(stopped) => return Err(stop(stopped, shared_only, output)),
    };
    point_at_adoption(&report, output);
    let shown = output.show(&Done { shared_only, report: &report, error: None, advice: output.advice() });
    // Failures are reported even if the result cannot be written.
    conclude(&report, output);
    shown?;
    Ok(if report.is_success() { Exit::Done } else { Exit::Failed })
}

/// Brings the database up to date before another program uses it: stdout is that program's, so the result is a note.
#[cfg(feature = "embedded")]
pub(crate) fn run_aside(
    create: Vec<TenantName>,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let report = match migrator.run_with(database, &RunOptions::default().create(create)) {
        Ok(report) => report,
        Err(stopped) => {
            conclude(&stopped.report, output);
            return Err(stopped.error.into());
        }
    };
    point_at_adoption(&report, output);
    output.finish_progress();
    let done = Done { shared_only: false, report: &report, error: None, advice: output.advice() };
    let paper = Paper { program: output.program().to_owned(), color: false, terminal: false };
    let mut page = String::new();
    done.text(&paper, &mut page).map_err(std::io::Error::other)?;
    output.note(page.trim_end());
    conclude(&report, output);
    Ok(if report.is_success() { Exit::Done } else { Exit::Failed })
}

/// Shows what a run did before an error ended it, if it did anything, and returns the error.
fn stop(stopped: RunError, shared_only: bool, output: &mut Output<'_>) -> Error {
    let RunError { error, report, is_durable, .. } = stopped;
    let error = Error::from(error);
    if report.is_unchanged() && report.failures.is_empty() {
        return error;
    }
    let advice = output.advice();
    let done = Done { shared_only, report: &report, error: Some(ErrorObject::of(&error, &advice)), advice };
    point_at_adoption(&report, output);
    if let Err(error) = output.show(&done) {
        output.failure(&output.advice().error(&error));
    }
    conclude(&report, output);
    if !is_durable {
        output.warning("the reported work may not be on the server's disk; the next run finds out");
    }
    error
}

/// Names the command for schemas that are not registered, below the warning that names the schemas.
fn point_at_adoption(report: &Report, output: &mut Output<'_>) {
    if !report.unregistered.is_empty() {
        output.finish_progress();
        output.note(&output.advice().unregistered());
    }
}

/// Applies the settings of the command line; the binary's settings stay for all others.
fn adjust(migrator: Migrator, args: &Up) -> Migrator {
    fn set<T>(migrator: Migrator, value: Option<T>, setting: fn(Migrator, T) -> Migrator) -> Migrator {
        match value {
            Some(value) => setting(migrator, value),
            None => migrator,
        }
    }
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let migrator = set(migrator, args.jobs.map(usize::from), Migrator::jobs);
    let migrator = set(migrator, args.group.map(usize::from), Migrator::group);
    let migrator = set(migrator, args.max_failures.map(count), Migrator::max_failures);
    let migrator = set(migrator, args.max_distinct.map(count), Migrator::max_distinct_failures);
    let migrator = set(migrator, args.lock_wait, Migrator::lock_wait);
    if args.fail_fast { migrator.fail_fast() } else { migrator }
}

/// Writes what was left alone, every failure in full, and the next step, which comes last so that it is seen.
fn conclude(report: &Report, output: &mut Output<'_>) {
    if report.shared.ahead {
        let version = text::version(report.shared.version);
        output.warning(&format!("the shared schema (version {version}) is ahead of this binary and was left alone"));
    }
    let TenantCounts { total, ahead, busy, failed, skipped, .. } = report.tenants;
    if ahead > 0 {
        let names = of_kind(report, OutcomeKind::Ahead);
        output.warning(&format!("{} ahead of this binary and left alone: {names}", text::tenants(ahead)));
    }
    for failure in text::failures(&report.failures, &output.advice()) {
        output.failure(&format!("{failure}\n"));
    }
    if report.is_success() {
        return;
    }
    if busy > 0 {
        let names = of_kind(report, OutcomeKind::Busy);
        output.failure(&format!("{} still locked by another run at the end: {names}\n", text::tenants(busy)));
    }
    let left = text::counts([(failed, "failed"), (busy, "busy"), (skipped, "skipped")]);
    let next = if failed > 0 { "fix the cause and run" } else { "run" };
    output.failure(&format!(
        "of {}, {left}; what was committed stays: {next} `{} up` again to continue with the rest",
        text::tenants(total),
        output.program()
    ));
}

fn of_kind(report: &Report, kind: OutcomeKind) -> String {
    text::names(report.outcomes.iter().filter(|outcome| outcome.kind == kind).map(shown))
}

fn shown(outcome: &TenantOutcome) -> String {
    text::tenant(outcome.tenant.as_str(), outcome.schema.as_str())
}

struct Done<'a> {
    shared_only: bool,
    report: &'a Report,
    /// The error that ended the run.
    error: Option<ErrorObject>,
    advice: Advice,
}

#[derive(Serialize)]
struct Object<'a> {
    shared: Shared<'a>,
    tenants: Counts,
    failures: Vec<FailureObject>,
    /// The slowest first.
    slowest: Vec<Slow<'a>>,
    /// Of the tenants that were created or migrated.
    median_ms: Option<u64>,
    retries: usize,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unregistered: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorObject>,
}

#[derive(Serialize)]
struct Slow<'a> {
    tenant: &'a str,
    schema: &'a str,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Shared<'a> {
    applied: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    extensions: &'a [String],
    version: Option<i64>,
    ahead: bool,
}

#[derive(Serialize)]
struct Counts {
    total: usize,
    created: usize,
    migrated: usize,
    current: usize,
    ahead: usize,
    busy: usize,
    failed: usize,
    skipped: usize,
    spares: usize,
}

impl<'a> Slow<'a> {
    fn of(outcome: &'a TenantOutcome) -> Self {
        let (tenant, schema) = (outcome.tenant.as_str(), outcome.schema.as_str());
        Self { tenant, schema, elapsed_ms: milliseconds(outcome.elapsed) }
    }
}

impl Serialize for Done<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { shared, tenants, failures, retries, elapsed, unregistered, .. } = self.report;
        let TenantCounts { total, created, migrated, current, ahead, busy, failed, skipped, spares, .. } = *tenants;
        Object {
            shared: Shared {
                applied: &shared.applied,
                extensions: &shared.extensions,
                version: shared.version,
                ahead: shared.ahead,
            },
            tenants: Counts { total, created, migrated, current, ahead, busy, failed, skipped, spares },
            failures: failures.iter().map(|failure| FailureObject::of(failure, &self.advice)).collect(),
            slowest: self.report.slowest(SLOWEST).into_iter().map(Slow::of).collect(),
            median_ms: self.report.median().map(milliseconds),
            retries: *retries,
            elapsed_ms: milliseconds(*elapsed),
            unregistered,
            error: self.error.as_ref(),
        }
        .serialize(serializer)
    }
}

impl View for Done<'_> {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        let Report { shared, elapsed, .. } = self.report;
        let (version, elapsed) = (text::version(shared.version), text::elapsed(*elapsed));
        let tenants = self.tenants();
        if self.report.is_unchanged() && self.report.is_success() {
            let tenants = tenants.map(|tenants| format!(", tenants: {tenants}")).unwrap_or_default();
            return writeln!(page, "nothing to do: shared at version {version}{tenants} ({elapsed})");
        }
        match shared.applied.len() {
            0 => writeln!(page, "shared   at version {version}")?,
            applied => writeln!(page, "shared   {applied} applied, at version {version}")?,
        }
        shared.applied.iter().try_for_each(|migration| writeln!(page, "         {migration}"))?;
        if !shared.extensions.is_empty() {
            writeln!(page, "created  extension {}", shared.extensions.join(", "))?;
        }
        if let Some(tenants) = tenants {
            writeln!(page, "tenants  {tenants}")?;
        }
        if self.report.tenants.spares > 0 {
            writeln!(page, "spares   {} created or migrated", self.report.tenants.spares)?;
        }
        if self.report.retries > 0 {
            writeln!(page, "retries  {}", self.report.retries)?;
        }
        page.write_str(&self.times())?;
        page.write_str(&self.rows(paper))?;
        writeln!(page, "took     {elapsed}")
    }
}

impl Done<'_> {
    /// The tenants in one line; `None` if the run left them out.
    fn tenants(&self) -> Option<String> {
        let TenantCounts { total, created, migrated, current, ahead, busy, failed, skipped, .. } = self.report.tenants;
        let counts = text::counts([
            (created, "created"),
            (migrated, "migrated"),
            (current, "current"),
            (ahead, "ahead"),
            (busy, "busy"),
            (failed, "failed"),
            (skipped, "skipped"),
        ]);
        match total {
            _ if self.shared_only => None,
            0 => Some("none".to_owned()),
            // A single count is also the total.
            _ if !counts.contains(',') => Some(counts),
            total => Some(format!("{counts}, of {total}")),
        }
    }

    /// The slowest tenants and the median, if there are too many tenants for a line each.
    fn times(&self) -> String {
        let TenantCounts { created, migrated, .. } = self.report.tenants;
        let Some(median) = self.report.median().filter(|_| created + migrated > MOST_ROWS) else {
            return String::new();
        };
        let slowest = self.report.slowest(SLOWEST).into_iter();
        let slowest = slowest.map(|slow| format!("{} {}", shown(slow), text::elapsed(slow.elapsed)));
        format!("slowest  {}\nmedian   {}\n", slowest.collect::<Vec<_>>().join(", "), text::elapsed(median))
    }

    /// A line for each tenant, if they are few.
    fn rows(&self, paper: &Paper) -> String {
        let outcomes = &self.report.outcomes;
        if outcomes.is_empty() || outcomes.len() > MOST_ROWS {
            return String::new();
        }
        let rows = outcomes.iter().map(|outcome| {
            let kind = match outcome.kind {
                OutcomeKind::Created => "created",
                OutcomeKind::Migrated => "migrated",
                OutcomeKind::Current => "current",
                OutcomeKind::Ahead => "ahead",
                OutcomeKind::Busy => "busy",
                OutcomeKind::Failed => "failed",
                // The enum can grow; the counts of the report do not depend on it.
                _ => "other",
            };
            vec![Cell::new(shown(outcome)), text::state(paper, kind), Cell::new(text::elapsed(outcome.elapsed))]
        });
        let columns = [Column::Text("TENANT"), Column::Text("OUTCOME"), Column::Number("TIME")];
        format!("\n{}\n", text::table(paper, &columns, rows))
    }
}
