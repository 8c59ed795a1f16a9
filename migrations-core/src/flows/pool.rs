//! The warm pool: spare schemas, provisioned in advance and migrated with the fleet. A sign-up takes one by renaming
//! it, which changes one row of the catalog, while provisioning writes hundreds.

use postgres::SimpleQueryMessage;
use postgres::error::SqlState;

use super::prepare::prepare;
use crate::engine::{Engine, Point};
use crate::execute::{Provisioning, drop_spare};
use crate::fleet::Fleet;
use crate::names::Member;
use crate::report::{Error, PoolStatus, Report, SharedReport, Tenant};
use crate::server::{Connection, TransientErrors, query};
use crate::store::{
    Lease, Overview, Question, codes, count_spares, draw_ids, find_tenant, pinned_functions, spares, take_spare, taken,
};

/// The number of spares that are created between two counts: enough for every worker, and few enough to renew the lease
/// in time.
const BATCH: usize = 16;

/// What a process does if it finds another one filling the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenTaken {
    /// Leaves the work to the other one.
    Leave,
    /// Waits for it.
    Wait,
}

/// Creates spares until there are `size`; returns how many were created. Only one process at a time does this, so that
/// replicas that start together do not create too many.
pub(crate) fn fill(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    size: usize,
    when_taken: WhenTaken,
    lost_connections: &mut usize,
) -> Result<usize, Error> {
    let lease = Lease::new("pool");
    let mut polling = engine.polling();
    let mut made = 0;
    let filled = loop {
        // If the pool is full, no lease is needed.
        let missing = status(engine, connection)?.missing(size);
        if missing == 0 && made == 0 {
            return Ok(0);
        }
        if missing == 0 {
            break Ok(());
        }
        if !lease.take(&mut connection.client, engine.delivery(), engine.layout())? {
            if when_taken == WhenTaken::Leave {
                log::info!("another process is filling the pool");
                return Ok(made);
            }
            engine.wait(&mut polling, "the warm pool")?;
            continue;
        }
        // The spares are counted again: another process may have filled the pool until now.
        let missing = status(engine, connection)?.missing(size).min(BATCH);
        match make(engine, connection, missing, made == 0, lost_connections) {
            Ok(()) => made += missing,
            Err(error) => break Err(error),
        }
    };
    lease.give_back(&mut connection.client, engine.layout());
    filled.map(|()| made)
}

/// Creates this many spares.
fn make(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    count: usize,
    look_at_first: bool,
    lost_connections: &mut usize,
) -> Result<(), Error> {
    let mut new: Vec<_> = (0..count).map(|_| Member::spare()).collect();
    // The first one shows whether the set can be renamed at all.
    if look_at_first && let Some(first) = new.pop() {
        let errors = TransientErrors::default();
        Provisioning::single(engine, &errors).create(connection, &first, None)?;
        *lost_connections += errors.lost_connections();
        let pinned = pinned_functions(&mut connection.client, &first.schema)?;
        if !pinned.is_empty() {
            drop_spare(engine, connection, &first.schema)?;
            return Err(Error::PoolRefused { functions: pinned });
        }
    }
    let create = draw_ids(&mut connection.client, engine.layout(), new)?;
    let (nobody, mut report) = (Overview::default(), Report::default());
    // No barrier may follow.
    Fleet::new(engine).durable().run(connection, nobody, create, &mut report)?;
    *lost_connections += report.lost_connections;
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// How many spares there are.
pub(crate) fn status(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<PoolStatus, Error> {
    count_spares(&mut connection.client, engine.layout(), engine.sets.tenant.digest())
}

/// Turns a spare into the tenant, if one is ready and nothing prevents it: the rename and the registration in one
/// transaction.
pub(super) fn take(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    member: &Member,
) -> Result<Option<Tenant>, Error> {
    let (layout, sets, client) = (engine.layout(), &engine.sets, &mut connection.client);
    engine.gate().pass(client, Point::Planned);
    let current = [(&layout.registry, sets.registry.digest()), (&layout.shared, sets.shared.digest())];
    let gate = engine.gate().in_block(Point::Applied);
    let statements = take_spare(layout, current, sets.tenant, engine.settings().allow_divergence, member, &gate);
    let answer = match query(client, engine.delivery(), &statements) {
        Ok(answer) => answer,
        Err(refused) => {
            return match refused.error.code().map(SqlState::code) {
                // Provisioning waits for these, creates what is missing, and finds the tenant that another process has just
                // registered with another schema.
                Some(codes::STALE | codes::TENANT_BUSY | codes::FLEET_BUSY | "42P01" | "42703" | "23505") => Ok(None),
                Some("42P06") => Err(Error::schema_exists(member)),
                _ => Err(Error::from_driver(format!("taking a spare schema for tenant {member}"), &refused.error)),
            };
        }
    };
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return Ok(None) };
    match taken(row, member) {
        Some(tenant) => Ok(Some(tenant)),
        None => Ok(find_tenant(client, layout, &member.name)?.map(|found| found.tenant)),
    }
}

/// Drops all spares; returns how many it dropped.
pub(crate) fn drain(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<usize, Error> {
    let spares = spares(&mut connection.client, engine.layout())?;
    for spare in &spares {
        engine.may_begin()?;
        drop_spare(engine, connection, spare)?;
    }
    Ok(spares.len())
}

/// Migrates the registry and the shared set, which spares need too.
pub(crate) fn prepare_for_spares(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<(), Error> {
    let extensions = engine.sets.tenant.extension_names();
    let question =
        Question { extensions: &extensions, for_new_tenants: true, ..Question::about_no_tenant(engine.sets.tenant) };
    prepare(engine, connection, &question, &mut SharedReport::default()).map(|_| ())
}
