//! Several tenants in one transaction: the commit, and where they are at the same place of their set, the guard, the
//! settings and the registry's update are paid once for all of them.

use super::script::{Script, Step};
use super::unit::{Origin, Part, Unit};
use crate::engine::Point;
use crate::set::Migration;
use crate::store::{BEGINNING, guard_tenants, record_tenants, unless_too_long};

/// How long the transaction has taken so far, in microseconds.
const ELAPSED: &str =
    "SELECT (extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000000)::pg_catalog.int8";

/// Tenants that are migrated, or created, in one transaction.
pub(crate) enum Batch<'a> {
    /// Tenants at the same place of their set, with one guard and one update of the registry. It holds the locks of all of
    /// them, so it takes nothing that is not a tenant's own, and ends if it takes too long.
    Shared(Vec<Unit<'a>>),
    /// Whatever fits into one transaction, each with its own guard and row: the application chose how many.
    Chained(Vec<Unit<'a>>),
}

impl<'a> Batch<'a> {
    /// The units that can share a transaction for a moment; the others are left out.
    pub(crate) fn shared(units: impl IntoIterator<Item = Unit<'a>>) -> Self {
        let mut batch = Vec::<Unit<'a>>::new();
        for unit in units {
            let is_alike = |first: &Unit<'_>| first.applied == unit.applied && first.claim.digest == unit.claim.digest;
            if batch.first().is_none_or(is_alike) && can_share(&unit) {
                batch.push(unit);
            }
        }
        Self::Shared(batch)
    }

    /// The units that are one transaction each; the others are left out.
    pub(crate) fn chained(units: impl IntoIterator<Item = Unit<'a>>) -> Self {
        Self::Chained(units.into_iter().filter(|unit| matches!(unit.parts()[..], [Part::Transaction(_)])).collect())
    }

    pub(crate) fn units(&self) -> &[Unit<'a>] {
        match self {
            Self::Shared(units) | Self::Chained(units) => units,
        }
    }

    /// The one transaction. Its last statement answers how long it took, in microseconds.
    pub(crate) fn script(&self) -> Script {
        let mut script = Script::default();
        match self {
            Self::Shared(units) => script.append(shared_script(units)),
            Self::Chained(units) => {
                for unit in units {
                    script.append(unit.script(unit.applied..unit.set.migrations().len()));
                }
            }
        }
        script.push(Step::Record, ELAPSED);
        script
    }
}

fn shared_script(units: &[Unit<'_>]) -> Script {
    let mut script = Script::default();
    let Some(first) = units.first() else { return script };
    let planned: Vec<_> = units.iter().filter_map(|unit| Some((&unit.tenant()?.schema, unit.claim.oid?))).collect();
    let gate = first.engine.gate();
    script.extend(Step::Guard, BEGINNING);
    script.extend(Step::Guard, gate.at(Point::Begun));
    script.push(Step::Guard, guard_tenants(first.layout(), &planned, first.claim.digest));
    script.extend(Step::Guard, gate.at(Point::Locked));
    script.extend(Step::Guard, first.transaction_settings());
    for (number, unit) in units.iter().enumerate() {
        if number > 0 {
            script.push(Step::Guard, unless_too_long(first.engine.settings().sharing.limit));
        }
        unit.migrate(&mut script, unit.applied..unit.set.migrations().len());
    }
    script.extend(Step::Record, gate.at(Point::Applied));
    script.push(Step::Record, record_tenants(first.layout(), first.set, &planned));
    script.extend(Step::Record, gate.at(Point::Recorded));
    script
}

/// Whether a unit migrates an existing tenant to the end of its set in one transaction, without touching anything
/// shared.
fn can_share(unit: &Unit<'_>) -> bool {
    let pending = unit.set.migrations().get(unit.applied..).unwrap_or_default();
    let is_own = |migration: &Migration| {
        migration.facts().is_plain
            && migration.allowed_schemas().is_empty()
            && !migration.allows_database()
            && unit.set.shared_references(migration).next().is_none()
    };
    unit.origin == Origin::Exists
        && unit.tenant().is_some()
        && unit.claim.oid.is_some()
        && unit.claim.digest.is_some()
        && !pending.is_empty()
        && pending.iter().all(is_own)
        && matches!(unit.parts()[..], [Part::Transaction(_)])
}
