//! `status`: the state of every schema.

use std::fmt::{self, Write};

use comfy_table::Cell;
use migrations_core::{Database, Migrator, State, TenantStatus, UnusableRow};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::Status;
use crate::error::{Error, Exit};
use crate::output::json::SchemaObject;
use crate::output::text::{self, Column};
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: &Status,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let status = if args.verify { migrator.verify(database)? } else { migrator.status(database)? };
    let (pending, advice) = (status.is_pending(), output.advice());
    output.show(&Page {
        registry: SchemaObject::of(status.registry),
        shared: SchemaObject::of(status.shared),
        tenants: status.tenants.into_iter().map(|tenant| Row::of(tenant, &advice)).collect(),
        unusable: status.unusable.into_iter().map(Unusable::of).collect(),
        pending,
    })?;
    Ok(if args.check && pending { Exit::Pending } else { Exit::Done })
}

#[derive(Serialize)]
struct Page {
    registry: SchemaObject,
    shared: SchemaObject,
    tenants: Vec<Row>,
    /// Rows of the registry that cannot be tenants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unusable: Vec<Unusable>,
    pending: bool,
}

#[derive(Serialize)]
struct Unusable {
    id: i64,
    schema: String,
    problem: String,
}

impl Unusable {
    fn of(row: UnusableRow) -> Self {
        Self { id: row.id, schema: row.schema, problem: row.problem }
    }
}

#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(rename = "schema")]
    schema_name: String,
    status: String,
    #[serde(flatten)]
    schema: SchemaObject,
    last_error: Option<String>,
}

impl Row {
    fn of(tenant: TenantStatus, advice: &Advice) -> Self {
        let TenantStatus { name, schema_name, status, mut schema, last_error, .. } = tenant;
        let problem = schema.problem.take();
        schema.problem = problem.map(|problem| advice.problem(name.as_str(), schema.state, problem));
        let (name, schema_name) = (name.to_string(), schema_name.as_str().to_owned());
        Self { name, schema_name, status, schema: SchemaObject::of(schema), last_error }
    }
}

impl Row {
    fn shown(&self) -> String {
        text::tenant(&self.name, &self.schema_name)
    }
}

impl View for Page {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        writeln!(page, "{}", self.sets(paper))?;
        if !self.tenants.is_empty() {
            writeln!(page, "{}", self.rows(paper))?;
        }
        let problems = self.problems();
        if !problems.is_empty() {
            writeln!(page, "{problems}")?;
        }
        writeln!(page, "{}", self.summary(&paper.program))
    }
}

impl Page {
    fn sets(&self, paper: &Paper) -> String {
        let columns = [
            Column::Text("SCHEMA"),
            Column::Number("VERSION"),
            Column::Number("LATEST"),
            Column::Text("STATE"),
            Column::Text("PENDING"),
        ];
        let rows = [("registry", &self.registry), ("shared", &self.shared)].map(|(name, schema)| {
            let mut row = vec![Cell::new(name)];
            row.extend(cells(paper, schema));
            row
        });
        text::table(paper, &columns, rows)
    }

    fn rows(&self, paper: &Paper) -> String {
        let columns = [
            Column::Text("TENANT"),
            Column::Text("STATUS"),
            Column::Number("VERSION"),
            Column::Number("LATEST"),
            Column::Text("STATE"),
            Column::Text("PENDING"),
        ];
        let rows = self.tenants.iter().map(|tenant| {
            let mut row = vec![Cell::new(tenant.shown()), Cell::new(&tenant.status)];
            row.extend(cells(paper, &tenant.schema));
            row
        });
        text::table(paper, &columns, rows)
    }

    /// The problems in full: a cell of the table has no room for them.
    fn problems(&self) -> String {
        let sets = [("registry", &self.registry), ("shared", &self.shared)];
        let sets =
            sets.into_iter().filter_map(|(name, schema)| Some(format!("{name}: {}\n", schema.problem.as_ref()?)));
        let tenants = self.tenants.iter().filter_map(|tenant| {
            let (name, Row { schema, last_error, .. }) = (tenant.shown(), tenant);
            match (&schema.problem, last_error) {
                (Some(problem), _) => Some(format!("tenant {name}: {problem}\n")),
                (None, Some(error)) => Some(format!("tenant {name}: the last run failed: {error}\n")),
                (None, None) => None,
            }
        });
        let rows = self.unusable.iter().map(|row| format!("row {}: {}\n", row.id, row.problem));
        sets.chain(tenants).chain(rows).collect()
    }

    fn summary(&self, program: &str) -> String {
        let states = [State::Current, State::Behind, State::Ahead, State::Diverged, State::Missing];
        let count = |state: State| self.tenants.iter().filter(|tenant| tenant.schema.state == state.as_str()).count();
        let tenants = match self.tenants.len() {
            0 => "no tenants".to_owned(),
            all => {
                let counts = text::counts(states.map(|state| (count(state), state.as_str())));
                format!("{}: {counts}", text::tenants(all))
            }
        };
        match (self.pending, self.is_wrong()) {
            (false, _) => format!("{tenants}; nothing is pending"),
            (true, false) => format!("{tenants}; `{program} up` applies what is pending"),
            (true, true) => format!("{tenants}; fix the problems above, then run `{program} up`"),
        }
    }

    /// Whether there is a problem that a run alone does not solve.
    fn is_wrong(&self) -> bool {
        let schemas = [&self.registry, &self.shared];
        schemas.into_iter().chain(self.tenants.iter().map(|tenant| &tenant.schema)).any(|it| it.problem.is_some())
            || self.tenants.iter().any(|tenant| tenant.last_error.is_some())
            || !self.unusable.is_empty()
    }
}

fn cells(paper: &Paper, schema: &SchemaObject) -> [Cell; 4] {
    let pending = match schema.pending.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    };
    [
        Cell::new(text::version(schema.version)),
        Cell::new(text::version(schema.latest)),
        text::state(paper, schema.state),
        Cell::new(pending),
    ]
}
