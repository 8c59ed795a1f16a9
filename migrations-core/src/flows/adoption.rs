//! Registers existing schemas as tenants: one by name, or all whose history is the tenant set's.

use postgres::Client;

use super::prepare::prepare_for_no_tenant;
use super::status;
use crate::engine::Engine;
use crate::execute::change_registration;
use crate::names::{Ident, SPARE, TenantName};
use crate::plan::{Positions, Standing, compare};
use crate::report::{Adoption, Adoptions, Error, SchemaStatus};
use crate::server::Connection;
use crate::store::{self, Claim, HISTORY, find_tenant, read_history, schema_claim, unregistered};

/// The number of schemas that a warning names.
const NAMED: usize = 10;

/// Registers an existing schema.
pub(crate) fn adopt(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    name: &TenantName,
) -> Result<Adoption, Error> {
    prepare_for_no_tenant(engine, connection)?;
    let schema = stands(engine, &mut connection.client, name)?;
    register(engine, connection, name, schema)
}

/// Registers every schema whose history is the tenant set's.
pub(crate) fn adopt_all(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<Adoptions, Error> {
    prepare_for_no_tenant(engine, connection)?;
    let mut done = Adoptions::default();
    for schema in unregistered(&mut connection.client, engine.layout())? {
        if let Some(reason) = foreign(engine, &mut connection.client, &schema)? {
            done.left.push((schema, reason));
            continue;
        }
        let adopted = match schema.parse::<TenantName>() {
            Ok(name) => {
                let schema = stands(engine, &mut connection.client, &name)?;
                register(engine, connection, &name, schema)
            }
            Err(error) => Err(Error::Name(error)),
        };
        match adopted {
            Ok(adopted) => done.adopted.push(adopted),
            // Dropped in the meantime.
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

/// Schemas that hold a history and are not registered, with a warning if there are any: a run that finds no tenant
/// besides them would succeed and would have done nothing.
pub(super) fn look_for_unregistered(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
) -> Result<Vec<String>, Error> {
    let found = unregistered(&mut connection.client, engine.layout())?;
    if !found.is_empty() {
        let more = match found.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = found[..found.len().min(NAMED)].join(", ");
        let schemas = if found.len() == 1 { "schema holds" } else { "schemas hold" };
        let text = format!(
            "no tenant is registered, but {} {schemas} a history ({}) and are not registered: {named}{more}; if they \
             are tenants, as after the registry was dropped, adopt them again (Migrator::adopt_all)",
            found.len(),
            HISTORY,
        );
        engine.warn(&text);
    }
    Ok(found)
}

/// Why a schema's history is not the tenant set's; `None` if it is.
fn foreign(engine: &Engine<'_>, client: &mut Client, schema: &str) -> Result<Option<String>, Error> {
    if schema.starts_with(SPARE) {
        let drop = format!("DROP SCHEMA {} CASCADE", Ident(schema));
        return Ok(Some(format!(
            "a spare schema of a warm pool that no longer exists; it holds no tenant's data, so drop it: {drop}"
        )));
    }
    let history = match read_history(client, schema)? {
        Ok(history) if history.is_empty() => {
            return Ok(Some(format!(
                "its history is empty; if {schema} is a tenant, adopt it (Migrator::adopt_tenant)"
            )));
        }
        Ok(history) => history,
        Err(problem) => return Ok(Some(format!("its history cannot be read: {problem}"))),
    };
    Ok(match compare(engine.sets.tenant, &history).0 {
        Standing::Applied(_) | Standing::Ahead { .. } => None,
        Standing::Diverged(_) => Some(format!(
            "its history is not the tenant set's; if {schema} is a tenant, adopt it (Migrator::adopt_tenant), which \
             reports the differences"
        )),
        Standing::Unreadable(_) | Standing::Missing => Some("it changed in the meantime; run again".to_owned()),
    })
}

/// Where a schema stands, according to its history.
fn stands(engine: &Engine<'_>, client: &mut Client, name: &TenantName) -> Result<SchemaStatus, Error> {
    let claim = Claim { digest: None, ..schema_claim(client, name.as_str())? };
    let set = engine.sets.tenant;
    status::schema(client, &mut Positions::new(set), set, name.as_str(), &claim)
}

/// Writes the row, without a digest: the next run reads the history.
fn register(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    name: &TenantName,
    schema: SchemaStatus,
) -> Result<Adoption, Error> {
    let insert = store::adopt(engine.layout(), name, schema.version);
    change_registration(engine, connection, name, "false", &[insert])?;
    match find_tenant(&mut connection.client, engine.layout(), name)? {
        Some(found) => Ok(Adoption { tenant: found.tenant, schema }),
        None => Err(Error::NothingToAdopt(name.clone())),
    }
}
