//! Writes a history and the registry's row with it, in one transaction under the schema's lock, without running a
//! migration.

use postgres::error::SqlState;

use crate::engine::Engine;
use crate::names::Literal;
use crate::report::Error;
use crate::server::{Connection, send};
use crate::set::{Digest, MigrationSet};
use crate::store::{
    BEGINNING, Claim, HistoryRow, Lock, Owner, adopt, codes, guard_with, record, record_claim, rewrite_history, stale,
    tenant_exists, unless_adopted, unless_history,
};

/// A history to write.
#[derive(Clone, Copy)]
pub(crate) struct Rewrite<'a> {
    pub(crate) owner: Owner<'a>,
    pub(crate) set: &'a MigrationSet,
    /// What the registry and the catalog say of the schema.
    pub(crate) claim: Claim,
    /// Whether the tenant has a row in the registry; if not, it gets one.
    pub(crate) is_registered: bool,
    /// The rows that the history has.
    pub(crate) before: &'a [HistoryRow],
    /// The rows that it is to have.
    pub(crate) after: &'a [HistoryRow],
    pub(crate) says: Says,
    /// A further condition, in SQL, under which the plan is out of date.
    pub(crate) unless: Option<&'a str>,
}

/// What a new history means.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    /// The set is applied up to the second position, and what comes after the first one is new. The marks of migrations
    /// in between are over.
    Applied(usize, usize),
    /// These are the last version and the digest. Without a digest, the next run reads the history.
    Something(Option<i64>, Option<Digest>),
}

/// Writes the history, unless it, the registry's row or the condition of `unless` has changed in the meantime; `false`
/// if one of them has. The commit does not wait for the disk: the caller flushes after its last one.
pub(crate) fn rewrite(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    rewrite: &Rewrite<'_>,
) -> Result<bool, Error> {
    let what = match rewrite.owner.tenant() {
        Some(tenant) => format!("tenant {tenant}"),
        None => format!("the {} schema", rewrite.set.name()),
    };
    let statements = statements(engine, rewrite);
    let mut polling = engine.polling();
    loop {
        let Err(refused) = send(&mut connection.client, engine.delivery(), &statements) else { return Ok(true) };
        match refused.error.code().map(SqlState::code) {
            Some(codes::STALE) => return Ok(false),
            Some(codes::FLEET_BUSY | codes::TENANT_BUSY) => engine.wait(&mut polling, &what)?,
            _ => {
                let error = Error::from_driver(format!("writing the history of {what}"), &refused.error);
                return Err(engine.interrupted_or(error));
            }
        }
    }
}

fn statements(engine: &Engine<'_>, rewrite: &Rewrite<'_>) -> Vec<String> {
    let (layout, owner) = (engine.layout(), rewrite.owner);
    let schema = owner.schema(layout);
    let lock = match owner {
        Owner::Tenant(member) => Lock::Tenant(&member.schema),
        Owner::Registry | Owner::Shared => Lock::Fleet,
    };
    let mut stale = match owner {
        Owner::Tenant(member) if !rewrite.is_registered => format!(
            "{} OR (SELECT oid FROM pg_namespace WHERE nspname = {}) IS DISTINCT FROM {}",
            tenant_exists(layout, member).trim_end(),
            Literal(schema),
            rewrite.claim.oid.unwrap_or_default(),
        ),
        _ => stale(layout, owner, &rewrite.claim, 1),
    };
    if let Some(unless) = rewrite.unless {
        stale = format!("{} OR {unless}", stale.trim_end());
    }
    let mut all = BEGINNING.map(str::to_owned).to_vec();
    // The guard reads the history while it holds the locks, and must not wait for whoever has the table for itself.
    all.push(format!("SET LOCAL lock_timeout = '{}ms'", engine.settings().lock_timeout.as_millis()));
    all.push(guard_with(layout, lock, &stale, "", &unless_history(layout, schema, rewrite.before)));
    all.push("SET LOCAL synchronous_commit = off".to_owned());
    if let (Owner::Tenant(member), false) = (owner, rewrite.is_registered) {
        all.push(adopt(layout, member, None));
        all.push(unless_adopted(layout, member));
    }
    all.extend(rewrite_history(schema, rewrite.before, rewrite.after));
    all.push(match rewrite.says {
        Says::Applied(from, to) => {
            let oid = rewrite.claim.oid.filter(|_| owner.tenant().is_some());
            record(layout, owner, rewrite.set, &(from..to), oid)
        }
        Says::Something(version, digest) => record_claim(layout, owner, version, digest),
    });
    all
}
