//! `tenant adopt`: registers existing schemas, by name or all of them.

use std::fmt::{self, Write};

use migrations_core::{Adoption, Database, Migrator};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::Adopt;
use crate::error::Error;
use crate::output::json::{ErrorObject, TenantObject};
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: &Adopt,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut done = Adopted::default();
    if args.all {
        let found = migrator.adopt_all(database)?;
        done.tenants = found.adopted.into_iter().map(Row::of).collect();
        done.left = Some(left(found.left, &output.advice()));
        return output.show(&done);
    }
    for name in &args.names {
        match migrator.adopt_tenant(database, name) {
            Ok(adopted) => done.tenants.push(Row::of(adopted)),
            Err(error) => {
                let error = Error::from(error);
                // The schemas before it are registered, so the result names them.
                if !done.tenants.is_empty() {
                    done.error = Some(ErrorObject::of(&error, &output.advice()));
                    output.show(&done)?;
                }
                return Err(error);
            }
        }
    }
    output.show(&done)
}

#[derive(Default, Serialize)]
struct Adopted {
    tenants: Vec<Row>,
    /// With `--all`: the schemas that were found and not adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<Left>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    tenant: TenantObject,
    state: &'static str,
    pending: Vec<String>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Left {
    schema: String,
    reason: String,
}

fn left(found: Vec<(String, String)>, advice: &Advice) -> Vec<Left> {
    let left = found.into_iter();
    left.map(|(schema, reason)| Left { reason: advice.left_alone(&schema, reason), schema }).collect()
}

impl Row {
    fn of(adopted: Adoption) -> Self {
        let Adoption { tenant, schema, .. } = adopted;
        let mut tenant = TenantObject::of(tenant);
        // The registry can be outdated if the schema was registered before.
        tenant.version = schema.version;
        Self { tenant, state: schema.state.as_str(), pending: schema.pending, problem: schema.problem }
    }

    fn standing(&self) -> String {
        if let Some(problem) = &self.problem {
            return format!(", but is {}: {problem}", self.state);
        }
        let pending = match self.pending.len() {
            0 => "nothing is pending".to_owned(),
            1 => "1 migration is pending".to_owned(),
            more => format!("{more} migrations are pending"),
        };
        match self.tenant.version {
            Some(version) if self.state == "ahead" => format!(", at version {version}, ahead of this binary"),
            Some(version) => format!(", at version {version}; {pending}"),
            None => format!("; no migration was ever applied to it, and {pending}"),
        }
    }
}

impl View for Adopted {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        for row in &self.tenants {
            writeln!(page, "tenant {} is registered{}", row.tenant.name, row.standing())?;
        }
        for Left { schema, reason } in self.left.iter().flatten() {
            writeln!(page, "schema {schema} is left alone: {reason}")?;
        }
        if self.tenants.is_empty() {
            writeln!(page, "no schema was adopted")
        } else {
            writeln!(page, "`{} up` brings every tenant up to date", paper.program)
        }
    }
}
