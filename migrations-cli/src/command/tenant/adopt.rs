//! `tenant adopt`: registers existing schemas, by name or all of them.

use std::fmt::{self, Write};

use migrations_core::{Adoption, Database, Migrator};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::Adopt;
use crate::error::Error;
use crate::output::json::{ErrorObject, TenantObject};
use crate::output::{Output, Paper, View, text};

pub(crate) fn run(
    args: &Adopt,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut done = Adopted::default();
    if args.all {
        let found = migrator.adopt_all(database)?;
        let advice = output.advice();
        done.tenants = found.adopted.into_iter().map(|adopted| Row::of(adopted, &advice)).collect();
        done.left = Some(left(found.left, &output.advice()));
        return output.show(&done);
    }
    for name in &args.names {
        let adopted = match &args.schema {
            Some(schema) => migrator.adopt_tenant_in(database, name, schema),
            None => migrator.adopt_tenant(database, name),
        };
        match adopted {
            Ok(adopted) => done.tenants.push(Row::of(adopted, &output.advice())),
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
    fn of(adopted: Adoption, advice: &Advice) -> Self {
        let Adoption { tenant, schema, .. } = adopted;
        let mut tenant = TenantObject::of(tenant);
        // The registry can be outdated if the schema was registered before.
        tenant.version = schema.version;
        let problem = schema.problem.map(|problem| advice.problem(&tenant.name, schema.state, problem));
        Self { tenant, state: schema.state.as_str(), pending: schema.pending, problem }
    }

    /// Where it stands, and what the next `up` does with it.
    fn standing(&self, program: &str) -> String {
        if let Some(problem) = &self.problem {
            return format!(", but `{program} up` leaves it alone, because it is {}: {problem}", self.state);
        }
        let up = match self.pending.as_slice() {
            [] => format!("`{program} up` has nothing to do there"),
            [only] => format!("`{program} up` applies {only}"),
            [first, second] => format!("`{program} up` applies {first} and {second}"),
            [first, .., last] => {
                format!("`{program} up` applies {} migrations, {first} to {last}", self.pending.len())
            }
        };
        match self.tenant.version {
            Some(version) if self.state == "ahead" => {
                format!(", at version {version}, ahead of this binary: `{program} up` leaves it alone")
            }
            Some(version) => format!(", at version {version}; {up}"),
            None => format!("; no migration was ever applied to it: {up}"),
        }
    }
}

impl View for Adopted {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        for row in &self.tenants {
            writeln!(page, "tenant {} is registered{}", row.tenant.shown(), row.standing(&paper.program))?;
        }
        for Left { schema, reason } in self.left.iter().flatten() {
            writeln!(page, "schema {} is left alone: {reason}", text::printable(schema))?;
        }
        if self.tenants.is_empty() { writeln!(page, "no schema was adopted") } else { Ok(()) }
    }
}
