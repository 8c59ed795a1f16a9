//! `import`: the histories of another tool, taken over.

use std::fmt::{self, Write};
use std::fs;

use comfy_table::Cell;
use migrations_core::{
    Basis, Comparison, Counterpart, Database, Import, ImportOptions, ImportOutcome, ImportedSchema, ImportedSet,
    Migrator, Refusal,
};
use serde::Serialize;

use crate::advice::Advice;
use crate::args;
use crate::error::{Error, Exit};
use crate::output::text::{self, Column, printable};
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: args::Import,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let tool = args.from;
    let import = migrator.import(database, tool, &options(args)?)?;
    let exit = if import.is_success() { Exit::Done } else { Exit::Failed };
    let page = Page::of(import, &output.advice());
    for rule in &page.unused {
        output.warning(&format!("mapping {} concerns no applied migration", printable(rule)));
    }
    output.show(&page)?;
    for failure in page.failures() {
        output.failure(&failure);
    }
    Ok(exit)
}

fn options(args: args::Import) -> Result<ImportOptions, Error> {
    let mut options = ImportOptions::new().tenants(args.tenants_by.0).dry_run(args.dry_run);
    if let Some(table) = args.table {
        options = options.table(table);
    }
    if let Some(file) = args.map_file {
        let text = fs::read_to_string(&file).map_err(|error| Error::File { file, error })?;
        options = options.map_lines(&text)?;
    }
    Ok(args.map.into_iter().fold(options, ImportOptions::map))
}

#[derive(Serialize)]
struct Page {
    tool: &'static str,
    table: String,
    dry_run: bool,
    sets: Vec<SetRows>,
    /// Mappings that concern no applied migration.
    unused: Vec<String>,
}

#[derive(Serialize)]
struct SetRows {
    set: String,
    mapping: Vec<Row>,
    /// Rows of the tool that are not versions.
    left_out: Vec<String>,
    schemas: Vec<SchemaRow>,
}

#[derive(Serialize)]
struct Row {
    foreign: String,
    description: Option<String>,
    ours: Vec<String>,
    /// `version`, `name` or `rule`; nothing if nothing corresponds.
    basis: Option<&'static str>,
    rule: Option<String>,
    /// Whether the tool ran the text that the set has, if its checksum shows that.
    identical: Option<bool>,
    schemas: usize,
}

#[derive(Serialize)]
struct SchemaRow {
    schema: String,
    tenant: Option<String>,
    version: Option<i64>,
    outcome: &'static str,
    problem: Option<String>,
    #[serde(skip)]
    help: Option<String>,
}

impl Page {
    fn of(import: Import, advice: &Advice) -> Self {
        let tool = import.tool.as_str();
        let sets = [import.shared, import.tenants].into_iter().flatten();
        Self {
            tool,
            table: import.table,
            dry_run: import.is_dry_run,
            sets: sets.map(|set| SetRows::of(set, tool, advice)).collect(),
            unused: import.unused,
        }
    }

    /// Why schemas were refused, once for each reason.
    fn failures(&self) -> Vec<String> {
        let mut groups: Vec<(&str, Option<&str>, Vec<&str>)> = Vec::new();
        for schema in self.sets.iter().flat_map(|set| &set.schemas) {
            let Some(problem) = &schema.problem else { continue };
            match groups.iter_mut().find(|(known, ..)| known == problem) {
                Some((_, _, names)) => names.push(&schema.schema),
                None => groups.push((problem, schema.help.as_deref(), vec![&schema.schema])),
            }
        }
        let failure = |(problem, help, names): (&str, Option<&str>, Vec<&str>)| {
            let what = if names.len() == 1 { "schema" } else { "schemas" };
            let help = help.map(|help| format!("\n{}", printable(help))).unwrap_or_default();
            format!("{what} {}: {}{help}", text::names(names.into_iter().map(printable)), printable(problem))
        };
        groups.into_iter().map(failure).collect()
    }
}

impl SetRows {
    fn of(set: ImportedSet, tool: &str, advice: &Advice) -> Self {
        Self {
            set: set.set.to_string(),
            mapping: set.mapping.into_iter().map(Row::of).collect(),
            left_out: set.left_out,
            schemas: set.schemas.into_iter().map(|schema| SchemaRow::of(schema, tool, advice)).collect(),
        }
    }
}

impl Row {
    fn of(counterpart: Counterpart) -> Self {
        let (basis, rule) = match counterpart.basis {
            Basis::Version => (Some("version"), None),
            Basis::Name => (Some("name"), None),
            Basis::Rule(rule) => (Some("rule"), Some(rule)),
            _ => (None, None),
        };
        Self {
            foreign: counterpart.foreign,
            description: counterpart.description,
            ours: counterpart.ours,
            basis,
            rule,
            identical: match counterpart.text {
                Comparison::Identical => Some(true),
                Comparison::Different => Some(false),
                _ => None,
            },
            schemas: counterpart.schemas,
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let ours = match (self.basis, self.ours.as_slice()) {
            (None, _) => "?".to_owned(),
            (Some(_), []) => "-".to_owned(),
            (Some(_), ours) => ours.join(", "),
        };
        let basis = match (&self.rule, self.basis) {
            (Some(rule), _) => printable(rule),
            (None, Some(basis)) => format!("same {basis}"),
            (None, None) => "nothing corresponds".to_owned(),
        };
        let compared = match self.identical {
            Some(true) => "identical",
            Some(false) => "differs",
            None => "",
        };
        let foreign = match &self.description {
            Some(description) => printable(&format!("{} {description}", self.foreign)),
            None => printable(&self.foreign),
        };
        vec![Cell::new(foreign), Cell::new(ours), Cell::new(basis), Cell::new(self.schemas), Cell::new(compared)]
    }
}

impl SchemaRow {
    fn of(schema: ImportedSchema, tool: &str, advice: &Advice) -> Self {
        let (outcome, problem, help) = match &schema.outcome {
            ImportOutcome::Imported => ("imported", None, None),
            ImportOutcome::Unchanged => ("unchanged", None, None),
            ImportOutcome::Refused(refusal) => refused(refusal, tool, advice),
            _ => ("unknown", None, None),
        };
        Self {
            schema: schema.schema,
            tenant: schema.tenant.map(|name| name.to_string()),
            version: schema.version,
            outcome,
            problem,
            help,
        }
    }
}

fn refused(refusal: &Refusal, tool: &str, advice: &Advice) -> (&'static str, Option<String>, Option<String>) {
    ("refused", Some(refusal.to_string()), advice.refusal(refusal, tool))
}

impl View for Page {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        for set in &self.sets {
            set.text(self.dry_run, paper, page)?;
        }
        writeln!(page, "{}", self.summary(&paper.program))
    }
}

impl SetRows {
    fn text(&self, dry_run: bool, paper: &Paper, page: &mut String) -> fmt::Result {
        let columns = [
            Column::Text("APPLIED"),
            Column::Text(if self.set == "shared" { "SHARED SET" } else { "TENANT SET" }),
            Column::Text("BECAUSE OF"),
            Column::Number("SCHEMAS"),
            Column::Text("TEXT"),
        ];
        writeln!(page, "{}", text::table(paper, &columns, self.mapping.iter().map(Row::cells)))?;
        if !self.left_out.is_empty() {
            let left_out = printable(&self.left_out.join(", "));
            writeln!(page, "left out, because they have no version: {left_out}\n")?;
        }
        for (outcome, version, schemas) in self.groups() {
            let names = text::names(schemas.into_iter().map(printable));
            let outcome = if dry_run && outcome == "imported" { "would be imported" } else { outcome };
            match version {
                Some(version) => writeln!(page, "{outcome} at version {version}: {names}")?,
                None if outcome == "refused" => writeln!(page, "{outcome}: {names}")?,
                None => writeln!(page, "{outcome} with nothing applied: {names}")?,
            }
        }
        writeln!(page)
    }

    /// The schemas with the same outcome and version, in the order of the first of each.
    fn groups(&self) -> Vec<(&'static str, Option<i64>, Vec<&str>)> {
        let mut groups: Vec<(&'static str, Option<i64>, Vec<&str>)> = Vec::new();
        for schema in &self.schemas {
            let key = (schema.outcome, schema.version);
            match groups.iter_mut().find(|(outcome, version, _)| (*outcome, *version) == key) {
                Some((_, _, names)) => names.push(&schema.schema),
                None => groups.push((schema.outcome, schema.version, vec![&schema.schema])),
            }
        }
        groups
    }
}

impl Page {
    fn summary(&self, program: &str) -> String {
        let schemas = || self.sets.iter().flat_map(|set| &set.schemas);
        let count = |outcome: &str| schemas().filter(|schema| schema.outcome == outcome).count();
        let counts = text::counts(["imported", "unchanged", "refused"].map(|outcome| (count(outcome), outcome)));
        let histories = match schemas().count() {
            1 => "1 history".to_owned(),
            more => format!("{more} histories"),
        };
        let what = format!("{histories} of {}: {counts}", self.tool);
        match (count("imported"), self.dry_run, count("refused")) {
            (0, _, 0) => format!("{what}; nothing to do"),
            (_, true, _) => format!("{what}; nothing was written, because this is a dry run"),
            (_, false, 0) => format!("{what}; `{program} up` applies what is pending"),
            (_, false, _) => format!("{what}; resolve the problems below, then import again"),
        }
    }
}
