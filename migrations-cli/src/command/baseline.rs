//! `baseline shared` and `tenant baseline`: record what is applied without running it.

use std::fmt::{self, Write};

use migrations_core::{Baseline, BaselineOutcome, BaselineRefusal, Baselined, Database, Migrator, TenantSelection};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::{At, BaselineOptions, TenantBaseline};
use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View};

pub(crate) fn shared(
    options: &BaselineOptions,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let done = migrator.baseline_shared(database, &of(options, false))?;
    show(vec![done], output)
}

pub(crate) fn tenants(
    args: TenantBaseline,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    // A pattern that matches nothing is a mistake in it.
    let is_pattern = args.pattern.is_some();
    let selection = match args.pattern {
        Some(pattern) => TenantSelection::Matching(pattern),
        None if args.all => TenantSelection::All,
        None => TenantSelection::Named(args.names),
    };
    let done = migrator.baseline_tenants(database, &selection, &of(&args.baseline, args.adopt))?;
    let is_nothing = done.schemas.is_empty();
    let exit = show(done.schemas, output)?;
    Ok(if is_pattern && is_nothing { Exit::Failed } else { exit })
}

fn of(options: &BaselineOptions, adopt: bool) -> Baseline {
    let baseline = match options.at {
        At::Version(version) => Baseline::at(version),
        At::None => Baseline::at_nothing(),
    };
    baseline.fake(options.fake).verify(options.verify).ignore(options.ignore.iter().cloned()).adopt(adopt)
}

fn show(done: Vec<Baselined>, output: &mut Output<'_>) -> Result<Exit, Error> {
    let advice = output.advice();
    let schemas: Vec<Row> = done.into_iter().map(|schema| Row::of(schema, &advice)).collect();
    let is_success = schemas.iter().all(|row| row.problem.is_none());
    output.show(&Baselines { schemas })?;
    Ok(if is_success { Exit::Done } else { Exit::Failed })
}

#[derive(Serialize)]
struct Baselines {
    schemas: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    schema: String,
    tenant: Option<String>,
    outcome: &'static str,
    /// Whether the schema was compared, and is what the migrations make.
    proved: bool,
    recorded: Vec<String>,
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

#[derive(Serialize)]
struct Difference {
    missing: Vec<String>,
    extra: Vec<String>,
    changed: Vec<Changed>,
}

#[derive(Serialize)]
struct Changed {
    object: String,
    here: String,
    set: String,
}

impl Row {
    fn of(done: Baselined, advice: &Advice) -> Self {
        let tenant = done.tenant.map(|tenant| tenant.to_string());
        let mut row = Self {
            outcome: "unchanged",
            proved: done.is_proved,
            recorded: Vec::new(),
            problem: None,
            difference: None,
            schema: done.schema,
            tenant,
        };
        match done.outcome {
            BaselineOutcome::Recorded(titles) => {
                row.outcome = "recorded";
                row.recorded = titles;
            }
            BaselineOutcome::Refused(refusal) => {
                row.outcome = "refused";
                row.problem = Some(advice.baseline(row.tenant.as_deref(), &row.schema, &refusal));
                row.difference = difference(refusal);
            }
            _ => {}
        }
        row
    }
}

fn difference(refusal: BaselineRefusal) -> Option<Difference> {
    let BaselineRefusal::Different(found) = refusal else { return None };
    let changed = found.changed.into_iter();
    let changed = changed.map(|it| Changed { object: it.object, here: it.here, set: it.made });
    Some(Difference { missing: found.missing, extra: found.extra, changed: changed.collect() })
}

impl View for Baselines {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        let mut recorded = 0;
        for row in &self.schemas {
            let what = match &row.tenant {
                Some(tenant) => format!("tenant {tenant}"),
                None => format!("schema {}", row.schema),
            };
            let proved = if row.proved { "; it is what the migrations make" } else { "" };
            match (&row.problem, row.outcome, row.recorded.as_slice()) {
                (Some(problem), ..) => writeln!(page, "{what}: refused: {problem}")?,
                (None, "unchanged", _) => writeln!(page, "{what}: its history says this already{proved}")?,
                (None, _, []) => writeln!(page, "{what}: registered{proved}")?,
                (None, _, [only]) => writeln!(page, "{what}: {only} is recorded as applied{proved}")?,
                (None, _, [first, .., last]) => {
                    writeln!(page, "{what}: {first} to {last} are recorded as applied{proved}")?;
                }
            }
            recorded += usize::from(row.problem.is_none());
        }
        match (self.schemas.is_empty(), recorded) {
            (true, _) => writeln!(page, "no tenant was found"),
            (_, 0) => Ok(()),
            _ => writeln!(page, "`{} up` applies what is pending after that", paper.program),
        }
    }
}
