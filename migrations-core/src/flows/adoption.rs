//! Registers existing schemas as tenants: one by name, or all whose history is the tenant set's.

use postgres::Client;

use super::prepare::prepare_registry;
use super::status;
use crate::engine::Engine;
use crate::execute::change_registration;
use crate::names::{Ident, Member, SPARE, Shown, TenantName};
use crate::plan::{Positions, Standing, compare};
use crate::report::{Adoption, Adoptions, Error, SchemaStatus};
use crate::server::Connection;
use crate::store::{self, Claim, HISTORY, find_tenant, owner_of, read_history, schema_claim, unregistered};

/// The number of schemas that a warning names.
const NAMED: usize = 10;

/// Registers an existing schema.
pub(crate) fn adopt(engine: &Engine<'_>, connection: &mut Connection<'_>, member: &Member) -> Result<Adoption, Error> {
    prepare_registry(engine, connection)?;
    let schema = stands(engine, &mut connection.client, member)?;
    register(engine, connection, member, schema)
}

/// Registers every schema whose history is the tenant set's.
pub(crate) fn adopt_all(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<Adoptions, Error> {
    prepare_registry(engine, connection)?;
    let mut done = Adoptions::default();
    for schema in unregistered(&mut connection.client, engine.layout())? {
        if let Some(reason) = foreign(engine, &mut connection.client, &schema)? {
            done.left.push((schema, reason));
            continue;
        }
        let adopted = member(engine, &schema).and_then(|member| {
            let schema = stands(engine, &mut connection.client, &member)?;
            register(engine, connection, &member, schema)
        });
        match adopted {
            Ok(adopted) => done.adopted.push(adopted),
            // Dropped, or registered under another name, in the meantime.
            Err(Error::NothingToAdopt { .. } | Error::SchemaTaken { .. }) => {}
            Err(error @ Error::NameInUse(..)) => done.left.push((schema, error.to_string())),
            Err(error @ (Error::Name(_) | Error::OtherSchema { .. })) => {
                let reason = format!("{error}; adopt it under another name (Migrator::adopt_tenant_in)");
                done.left.push((schema, reason));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The tenant with its schema's name.
fn member(engine: &Engine<'_>, schema: &str) -> Result<Member, Error> {
    let name: TenantName = schema.parse()?;
    engine.layout().member(&name, schema.parse()?)
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
        let named = found.iter().take(NAMED).map(|schema| Shown(schema).to_string()).collect::<Vec<_>>().join(", ");
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
    let named = Shown(schema);
    if schema.starts_with(SPARE) {
        let drop = format!("DROP SCHEMA {} CASCADE", Ident(schema));
        return Ok(Some(format!(
            "a spare schema of a warm pool that no longer exists; it holds no tenant's data, so drop it: {drop}"
        )));
    }
    let history = match read_history(client, schema)? {
        Ok(history) if history.is_empty() => {
            return Ok(Some(format!(
                "its history is empty; if {named} is a tenant, adopt it (Migrator::adopt_tenant)"
            )));
        }
        Ok(history) => history,
        Err(problem) => return Ok(Some(format!("its history cannot be read: {problem}"))),
    };
    Ok(match compare(engine.sets.tenant, &history).0 {
        Standing::Applied(_) | Standing::Ahead { .. } => None,
        Standing::Diverged(_) => Some(format!(
            "its history is not the tenant set's; if {named} is a tenant, adopt it (Migrator::adopt_tenant), which \
             reports the differences"
        )),
        Standing::Unreadable(_) | Standing::Unrecorded | Standing::Missing => {
            Some("it changed in the meantime; run again".to_owned())
        }
    })
}

/// Where a schema stands, according to its history.
fn stands(engine: &Engine<'_>, client: &mut Client, member: &Member) -> Result<SchemaStatus, Error> {
    let schema = member.schema.as_str();
    let claim = Claim { digest: None, ..schema_claim(client, schema)? };
    let set = engine.sets.tenant;
    status::schema(client, &mut Positions::of_tenants(set), set, schema, &claim)
}

/// Writes the row, without a digest: the next run reads the history.
fn register(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    member: &Member,
    schema: SchemaStatus,
) -> Result<Adoption, Error> {
    let insert = store::adopt(engine.layout(), member, schema.version);
    change_registration(engine, connection, member, "false", &[insert])?;
    let client = &mut connection.client;
    match find_tenant(client, engine.layout(), &member.name)? {
        Some(found) if found.tenant.schema == member.schema => Ok(Adoption { tenant: found.tenant, schema }),
        Some(found) => Err(Error::other_schema(&found.member(), &member.schema)),
        None => Err(match owner_of(client, engine.layout(), &member.schema)? {
            // Registered between the two questions.
            Some(owner) if owner == *member => return register(engine, connection, member, schema),
            Some(owner) => Error::schema_taken(member, &owner),
            None => Error::nothing_to_adopt(member),
        }),
    }
}
