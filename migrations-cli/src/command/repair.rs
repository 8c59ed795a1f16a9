//! `repair`: explains histories that differ, and corrects them.

use std::fmt::{self, Write};

use migrations_core::{
    Database, Diverged, DivergedSchema, Finding, Migrator, Repair, RepairReport, Repaired, TenantName,
};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::Repair as RepairArgs;
use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View, text};

/// The number of schemas that a line names.
const NAMED: usize = 5;

pub(crate) fn run(
    args: RepairArgs,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let dry_run = args.dry_run;
    let repair = of(args, migrator, database)?;
    let report = migrator.repair(database, &repair)?;
    let exit = if report.is_success() { Exit::Done } else { Exit::Failed };
    output.show(&Shown::of(report, dry_run, &output.advice()))?;
    Ok(exit)
}

fn of(args: RepairArgs, migrator: &Migrator, database: &Database) -> Result<Repair, Error> {
    let mut repair = Repair::explain().dry_run(args.dry_run);
    repair = match args.update_checksums {
        Some(versions) if versions.is_empty() => repair.update_all_checksums(),
        Some(versions) => repair.update_checksums(versions),
        None => repair,
    };
    if let (Some(version), Some(tenant)) = (args.mark_unapplied, args.tenant) {
        repair = repair.mark_unapplied(version, tenant);
    }
    if args.rebuild_registry {
        repair = repair.rebuild_registry();
    }
    Ok(match args.clear_mark {
        Some(name) if is_shared(&name, migrator, database)? => repair.clear_shared_mark(),
        Some(name) => repair.clear_mark(name),
        None => repair,
    })
}

/// Whether the name is that of the shared schema, and no tenant's.
fn is_shared(name: &TenantName, migrator: &Migrator, database: &Database) -> Result<bool, Error> {
    Ok(name.as_str() == migrator.get_shared_schema().as_str() && migrator.tenant(database, name)?.is_none())
}

#[derive(Serialize)]
struct Shown {
    dry_run: bool,
    found: Vec<Group>,
    repaired: Vec<Row>,
}

/// Schemas with the same findings.
#[derive(Serialize)]
struct Group {
    set: String,
    #[serde(skip)]
    is_shared: bool,
    schemas: Vec<Schema>,
    findings: Vec<Found>,
}

/// A schema, and the tenant that it belongs to.
#[derive(Serialize)]
struct Schema {
    tenant: Option<String>,
    schema: String,
}

#[derive(Serialize)]
struct Found {
    kind: &'static str,
    version: Option<i64>,
    recorded_checksum: Option<String>,
    embedded_checksum: Option<String>,
    only_white_space: Option<bool>,
    text: String,
    help: Option<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    schema: Schema,
    refused: bool,
    text: String,
}

impl Shown {
    fn of(report: RepairReport, dry_run: bool, advice: &Advice) -> Self {
        let row = |Repaired { tenant, schema, is_refused, text, .. }| Row {
            schema: Schema::of(tenant, schema),
            refused: is_refused,
            text,
        };
        Self {
            dry_run,
            found: report.found.into_iter().map(|group| Group::of(group, advice)).collect(),
            repaired: report.repaired.into_iter().map(row).collect(),
        }
    }
}

impl Schema {
    fn of(tenant: Option<TenantName>, schema: String) -> Self {
        Self { tenant: tenant.map(|tenant| tenant.to_string()), schema }
    }

    /// The name under which it is asked for.
    fn name(&self) -> &str {
        self.tenant.as_deref().unwrap_or(&self.schema)
    }

    fn shown(&self) -> String {
        text::tenant(self.name(), &self.schema)
    }
}

impl Group {
    fn of(group: Diverged, advice: &Advice) -> Self {
        let schema = |it: DivergedSchema| Schema::of(it.tenant, it.schema);
        let schemas: Vec<Schema> = group.schemas.into_iter().map(schema).collect();
        let name = if let [only] = &schemas[..] { only.name() } else { "NAME" };
        let is_tenant = !group.is_shared;
        let of = |finding: &Finding| Found::of(finding, advice.finding(name, is_tenant, finding));
        let findings = group.findings.iter().map(of).collect();
        Self { set: group.set.to_string(), is_shared: group.is_shared, schemas, findings }
    }

    /// As in `3 tenants (acme, globex, initech)`.
    fn subject(&self) -> String {
        let what = if self.is_shared { "schema" } else { "tenant" };
        let named = self.schemas.iter().take(NAMED).map(Schema::shown).collect::<Vec<_>>().join(", ");
        match self.schemas.len() {
            1 => format!("{what} {named}"),
            count if count > NAMED => format!("{count} {what}s ({named} and {} more)", count - NAMED),
            count => format!("{count} {what}s ({named})"),
        }
    }
}

impl Found {
    fn of(finding: &Finding, help: Option<String>) -> Self {
        let mut found = Self {
            kind: "other",
            version: None,
            recorded_checksum: None,
            embedded_checksum: None,
            only_white_space: None,
            text: finding.to_string(),
            help,
        };
        match finding {
            Finding::Changed { version, recorded_checksum, embedded_checksum, variant, .. } => {
                found.kind = "changed";
                found.version = Some(*version);
                found.recorded_checksum = Some(recorded_checksum.to_string());
                found.embedded_checksum = Some(embedded_checksum.to_string());
                found.only_white_space = Some(variant.is_some());
            }
            Finding::Unknown { version, recorded_checksum, .. } => {
                (found.kind, found.version) = ("unknown", Some(*version));
                found.recorded_checksum = Some(recorded_checksum.to_string());
            }
            Finding::Skipped { version, .. } => (found.kind, found.version) = ("skipped", Some(*version)),
            Finding::Marked { version } => (found.kind, found.version) = ("marked", Some(*version)),
            Finding::Unrecorded => found.kind = "unrecorded",
            Finding::Unreadable(_) => found.kind = "unreadable",
            Finding::Missing => found.kind = "missing",
            Finding::Registry { .. } => found.kind = "registry",
            _ => {}
        }
        found
    }
}

impl View for Shown {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        for group in &self.found {
            writeln!(page, "{}:", group.subject())?;
            for found in &group.findings {
                writeln!(page, "  {}", found.text)?;
                if let Some(help) = &found.help {
                    writeln!(page, "   = help: {help}")?;
                }
            }
        }
        for row in &self.repaired {
            let label = match (row.refused, self.dry_run) {
                (true, _) => "not corrected",
                (false, true) => "would be corrected",
                (false, false) => "corrected",
            };
            writeln!(page, "{label}: {}: {}", row.schema.shown(), row.text)?;
        }
        match (self.found.is_empty(), self.repaired.is_empty(), self.dry_run) {
            (true, true, _) => writeln!(page, "every history is what this binary and the registry say"),
            (_, false, false) => writeln!(page, "`{} status --verify` shows what is left", paper.program),
            _ => Ok(()),
        }
    }
}
