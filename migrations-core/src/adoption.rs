//! Schemas that exist, registered as tenants: one by its name, or all whose history is the tenant set's.

use postgres::Client;
use postgres::types::Type;

use crate::apply::Session;
use crate::error::Error;
use crate::event::Event;
use crate::history::{self, Standing};
use crate::name::{SPARE, TenantName};
use crate::plan::{Claim, Question, Resolver, catalog_claim};
use crate::registry::{self, Layout};
use crate::report::SharedReport;
use crate::settings::Settings;
use crate::sql::{Ident, Literal};
use crate::stage::{self, Sets};
use crate::status::SchemaStatus;
use crate::survey;
use crate::tenant::Tenant;

/// How many schemas a warning names.
const NAMED: usize = 10;

/// Schemas with a history table that are neither registered nor the framework's own, in the order of their names.
const UNREGISTERED: &str = "\
SELECT n.nspname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $1::text::name AND c.relkind IN ('r', 'p') AND n.nspname <> ALL ($2::text[]::name[])
  AND NOT EXISTS (SELECT FROM %tenants% t WHERE t.schema_name = n.nspname)
ORDER BY 1
";

/// A schema that was registered as a tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adoption {
    /// The tenant.
    pub tenant: Tenant,
    /// What its history says.
    pub schema: SchemaStatus,
}

/// What [`Migrator::adopt_all`](crate::Migrator::adopt_all) did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Adoptions {
    /// The schemas that were registered.
    pub adopted: Vec<Adoption>,
    /// Schemas with a history that were left alone, each with the reason.
    pub left: Vec<(String, String)>,
}

/// Registers a schema that exists.
pub(crate) fn adopt(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    name: &TenantName,
) -> Result<Adoption, Error> {
    prepare(session, settings, sets)?;
    let schema = stands(&mut session.client, sets, name)?;
    register(session, settings, name, schema)
}

/// Registers every schema whose history is the tenant set's.
pub(crate) fn adopt_all(session: &mut Session<'_>, settings: &Settings, sets: &Sets<'_>) -> Result<Adoptions, Error> {
    prepare(session, settings, sets)?;
    let mut done = Adoptions::default();
    for schema in unregistered(&mut session.client, &settings.layout)? {
        if let Some(reason) = foreign(&mut session.client, sets, &schema)? {
            done.left.push((schema, reason));
            continue;
        }
        let adopted = match schema.parse::<TenantName>() {
            Ok(name) => {
                let standing = stands(&mut session.client, sets, &name)?;
                register(session, settings, &name, standing)
            }
            Err(error) => Err(Error::Name(error)),
        };
        match adopted {
            Ok(adopted) => done.adopted.push(adopted),
            // Dropped meanwhile.
            Err(Error::NothingToAdopt(_)) => {}
            Err(Error::Name(error)) => {
                let reason = format!("{error}; rename it (ALTER SCHEMA {} RENAME TO …)", Ident(&schema));
                done.left.push((schema, reason));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Schemas that hold a history and are not registered, and a warning when there are any: a run that finds no tenant beside
/// them would end well, and would have done nothing.
pub(crate) fn look_for_unregistered(session: &mut Session<'_>, settings: &Settings) -> Result<Vec<String>, Error> {
    let found = unregistered(&mut session.client, &settings.layout)?;
    if !found.is_empty() {
        let more = match found.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = found[..found.len().min(NAMED)].join(", ");
        let schemas = if found.len() == 1 { "schema holds" } else { "schemas hold" };
        let text = format!(
            "no tenant is registered, but {} {schemas} a history ({}) and are not registered: {named}{more}; if they are \
             tenants, as after the registry was dropped, `tenant adopt --all` registers them again",
            found.len(),
            history::TABLE,
        );
        settings.emit(&Event::Warning { text: &text });
    }
    Ok(found)
}

fn prepare(session: &mut Session<'_>, settings: &Settings, sets: &Sets<'_>) -> Result<(), Error> {
    let question = Question::about_nobody(sets.tenant);
    stage::prepare(session, settings, sets, &question, &mut SharedReport::default()).map(|_| ())
}

fn unregistered(client: &mut Client, layout: &Layout) -> Result<Vec<String>, Error> {
    let query = UNREGISTERED.replace("%tenants%", &layout.table("tenants"));
    let ours = vec![layout.registry.as_str().to_owned(), layout.shared.as_str().to_owned()];
    let rows = client
        .query_typed(&query, &[(&history::TABLE, Type::TEXT), (&ours, Type::TEXT_ARRAY)])
        .map_err(|error| Error::from_driver("looking for schemas that are not registered", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Why a schema is not one of the tenant set's; `None` when it is.
fn foreign(client: &mut Client, sets: &Sets<'_>, schema: &str) -> Result<Option<String>, Error> {
    if schema.starts_with(SPARE) {
        let drop = format!("DROP SCHEMA {} CASCADE", Ident(schema));
        return Ok(Some(format!(
            "a spare schema of a warm pool that is no more, which holds no tenant's data; {drop}"
        )));
    }
    let history = match history::read(client, schema)? {
        Ok(history) if history.is_empty() => {
            return Ok(Some(format!("its history is empty; if it is a tenant, `tenant adopt {schema}` registers it")));
        }
        Ok(history) => history,
        Err(problem) => return Ok(Some(format!("its history cannot be read: {problem}"))),
    };
    Ok(match history::compare(sets.tenant, &history).0 {
        Standing::Applied(_) | Standing::Ahead { .. } => None,
        Standing::Diverged(_) => Some(format!(
            "its history is not the tenant set's; if it is a tenant, `tenant adopt {schema}` registers it and says what differs"
        )),
        Standing::Unreadable(_) | Standing::Missing => Some("it was changed meanwhile; look again".to_owned()),
    })
}

/// Where a schema stands by its history.
fn stands(client: &mut Client, sets: &Sets<'_>, name: &TenantName) -> Result<SchemaStatus, Error> {
    let claim = Claim { digest: None, ..catalog_claim(client, name.as_str())? };
    survey::schema(client, &mut Resolver::new(sets.tenant), sets.tenant, name.as_str(), &claim)
}

/// Writes the row, without a digest: the next run goes by the history.
fn register(
    session: &mut Session<'_>,
    settings: &Settings,
    name: &TenantName,
    schema: SchemaStatus,
) -> Result<Adoption, Error> {
    let insert = format!(
        "INSERT INTO {} (schema_name, version) SELECT nspname, {} FROM pg_namespace WHERE nspname = {} \
         ON CONFLICT DO NOTHING",
        settings.layout.table("tenants"),
        schema.version.map_or_else(|| "NULL".to_owned(), |version| version.to_string()),
        Literal(name.as_str())
    );
    stage::locked(session, settings, name, "false", &insert)?;
    match registry::find(&mut session.client, &settings.layout, name)? {
        Some(found) => Ok(Adoption { tenant: found.tenant, schema }),
        None => Err(Error::NothingToAdopt(name.clone())),
    }
}
