//! Where every schema stands, for people and for scripts. Nothing here changes a schema.

use postgres::Client;

use crate::engine::Engine;
use crate::execute::standing;
use crate::names::Member;
use crate::plan::{Positions, Standing};
use crate::report::{Error, Reason, SchemaStatus, State, Status, TenantStatus};
use crate::set::{Migration, MigrationSet};
use crate::store::{Claim, Overview, Question, check, overview, schema_claim};

/// Where the registry, the shared schema and every tenant stand.
///
/// `verify` reads every history, whatever the registry says.
pub(crate) fn status(engine: &Engine<'_>, client: &mut Client, verify: bool) -> Result<Status, Error> {
    let (layout, sets) = (engine.layout(), &engine.sets);
    let question = Question { all: true, limit: i64::MAX, ..Question::new(sets.tenant) };
    let overview = overview(client, layout, &question)?;
    match &overview {
        Some(overview) => overview.check(sets.registry, layout)?,
        None => check(client, layout)?,
    }
    let (mut registry, mut shared, mut tenants, unusable) = match overview {
        Some(Overview { registry, shared, tenants, unusable, .. }) => (registry, shared, tenants, unusable),
        None => (
            schema_claim(client, layout.registry.as_str())?,
            schema_claim(client, layout.shared.as_str())?,
            Vec::new(),
            Vec::new(),
        ),
    };
    if verify {
        let claims = tenants.iter_mut().map(|tenant| &mut tenant.claim);
        claims.chain([&mut registry, &mut shared]).for_each(|claim| claim.digest = None);
    }
    let mut positions = Positions::of_tenants(sets.tenant);
    Ok(Status {
        registry: schema(
            client,
            &mut Positions::new(sets.registry),
            sets.registry,
            layout.registry.as_str(),
            &registry,
        )?,
        shared: schema(client, &mut Positions::new(sets.shared), sets.shared, layout.shared.as_str(), &shared)?,
        unusable,
        tenants: tenants
            .into_iter()
            .filter(|tenant| !tenant.member.is_spare())
            .map(|tenant| {
                let schema = schema(client, &mut positions, sets.tenant, tenant.member.schema.as_str(), &tenant.claim)?;
                // Something other than a run may have brought it up to date; then the recorded error no longer applies.
                let last_error = tenant.last_error.filter(|_| schema.state != State::Current);
                let Member { name, schema: schema_name } = tenant.member;
                Ok(TenantStatus { schema, name, schema_name, status: tenant.status, last_error })
            })
            .collect::<Result<_, Error>>()?,
    })
}

/// Whether a run would change or report anything.
pub(crate) fn is_pending(engine: &Engine<'_>, client: &mut Client) -> Result<bool, Error> {
    let (layout, sets) = (engine.layout(), &engine.sets);
    let mut positions = Positions::of_tenants(sets.tenant);
    let mut after = 0;
    let extensions = sets.tenant.extension_names();
    loop {
        let question = Question { extensions: &extensions, after, ..Question::new(sets.tenant) };
        let Some(overview) = overview(client, layout, &question)? else { return Ok(true) };
        if !overview.missing_extensions.is_empty() && overview.needs_extensions(&question, engine.settings().warm_pool)
        {
            return Ok(true);
        }
        for (set, name, claim) in [
            (sets.registry, layout.registry.as_str(), &overview.registry),
            (sets.shared, layout.shared.as_str(), &overview.shared),
        ] {
            if !claim.is_current(set) && schema(client, &mut Positions::new(set), set, name, claim)?.is_pending() {
                return Ok(true);
            }
        }
        if !overview.unusable.is_empty() {
            return Ok(true);
        }
        for tenant in &overview.tenants {
            if schema(client, &mut positions, sets.tenant, tenant.member.schema.as_str(), &tenant.claim)?.is_pending() {
                return Ok(true);
            }
        }
        match overview.last_id {
            Some(last) => after = last,
            None => return Ok(false),
        }
    }
}

pub(super) fn schema(
    client: &mut Client,
    positions: &mut Positions<'_>,
    set: &MigrationSet,
    name: &str,
    claim: &Claim,
) -> Result<SchemaStatus, Error> {
    let titles = |from: usize| set.migrations()[from..].iter().map(|m: &Migration| m.title().to_owned()).collect();
    let of = |version, state, pending, problem| SchemaStatus { version, latest: set.latest(), state, pending, problem };
    // The registry and the shared schema are created if they are missing.
    let is_tenant = claim.recorded_oid.is_some();
    Ok(match standing(client, positions, name, claim)? {
        Standing::Applied(applied) if applied == set.migrations().len() => {
            of(set.latest(), State::Current, Vec::new(), None)
        }
        Standing::Applied(applied) => of(set.version_at(applied), State::Behind, titles(applied), None),
        Standing::Ahead { version } => of(Some(version), State::Ahead, Vec::new(), None),
        Standing::Missing => of(None, State::Missing, titles(0), is_tenant.then(|| Reason::SchemaMissing.to_string())),
        Standing::Diverged(divergence) => {
            of(claim.version, State::Diverged, Vec::new(), Some(Reason::Diverged(divergence).to_string()))
        }
        Standing::Unrecorded => of(None, State::Diverged, Vec::new(), Some(Reason::Unrecorded.to_string())),
        Standing::Unreadable(problem) => {
            of(claim.version, State::Diverged, Vec::new(), Some(Reason::History(problem).to_string()))
        }
    })
}
