//! Where every schema stands, for people and for scripts, without changing any.

use postgres::Client;

use crate::error::Error;
use crate::failure::Reason;
use crate::history::Standing;
use crate::plan::{self, Claim, Overview, PAGE, Question, Resolver};
use crate::registry;
use crate::set::{Migration, MigrationSet};
use crate::settings::Settings;
use crate::stage::Sets;
use crate::status::{SchemaStatus, State, Status, TenantStatus};

/// Where the registry, the shared schema and every tenant stand.
///
/// To verify is to read every history, whatever the registry says.
pub(crate) fn status(client: &mut Client, settings: &Settings, sets: &Sets<'_>, verify: bool) -> Result<Status, Error> {
    let layout = &settings.layout;
    let overview = plan::overview(client, layout, &question(sets, 0, true, i64::MAX))?;
    match &overview {
        Some(overview) => overview.check(sets.registry, layout)?,
        None => registry::check(client, layout)?,
    }
    let (mut registry, mut shared, mut tenants, unusable) = match overview {
        Some(Overview { registry, shared, tenants, unusable, .. }) => (registry, shared, tenants, unusable),
        None => (
            plan::catalog_claim(client, layout.registry.as_str())?,
            plan::catalog_claim(client, layout.shared.as_str())?,
            Vec::new(),
            Vec::new(),
        ),
    };
    if verify {
        let claims = tenants.iter_mut().map(|tenant| &mut tenant.claim);
        claims.chain([&mut registry, &mut shared]).for_each(|claim| claim.digest = None);
    }
    let mut resolver = Resolver::new(sets.tenant);
    Ok(Status {
        registry: schema(
            client,
            &mut Resolver::new(sets.registry),
            sets.registry,
            layout.registry.as_str(),
            &registry,
        )?,
        shared: schema(client, &mut Resolver::new(sets.shared), sets.shared, layout.shared.as_str(), &shared)?,
        unusable,
        tenants: tenants
            .into_iter()
            .filter(|tenant| !tenant.name.is_spare())
            .map(|tenant| {
                let schema = schema(client, &mut resolver, sets.tenant, tenant.name.as_str(), &tenant.claim)?;
                // By other hands than a run's it can have become current, and then nothing is wrong any more.
                let last_error = tenant.last_error.filter(|_| schema.state != State::Current);
                Ok(TenantStatus { schema, name: tenant.name, status: tenant.status, last_error })
            })
            .collect::<Result<_, Error>>()?,
    })
}

/// Whether a run would find something to do, or something wrong.
pub(crate) fn is_pending(client: &mut Client, settings: &Settings, sets: &Sets<'_>) -> Result<bool, Error> {
    let layout = &settings.layout;
    let mut resolver = Resolver::new(sets.tenant);
    let mut after = 0;
    let extensions = sets.tenant.extension_names();
    loop {
        let question = Question { extensions: &extensions, ..question(sets, after, false, PAGE) };
        let Some(overview) = plan::overview(client, layout, &question)? else { return Ok(true) };
        if !overview.missing_extensions.is_empty() && overview.needs_extensions(&question, settings.warm_pool) {
            return Ok(true);
        }
        for (set, name, claim) in [
            (sets.registry, layout.registry.as_str(), &overview.registry),
            (sets.shared, layout.shared.as_str(), &overview.shared),
        ] {
            if !claim.is_current(set) && schema(client, &mut Resolver::new(set), set, name, claim)?.is_pending() {
                return Ok(true);
            }
        }
        if !overview.unusable.is_empty() {
            return Ok(true);
        }
        for tenant in &overview.tenants {
            if schema(client, &mut resolver, sets.tenant, tenant.name.as_str(), &tenant.claim)?.is_pending() {
                return Ok(true);
            }
        }
        match overview.last_id {
            Some(last) => after = last,
            None => return Ok(false),
        }
    }
}

fn question(sets: &Sets<'_>, after: i64, all: bool, limit: i64) -> Question<'static> {
    Question {
        latest: sets.tenant.digest(),
        only: &[],
        names: &[],
        extensions: &[],
        for_new_tenants: false,
        after,
        all,
        limit,
    }
}

pub(crate) fn schema(
    client: &mut Client,
    resolver: &mut Resolver<'_>,
    set: &MigrationSet,
    name: &str,
    claim: &Claim,
) -> Result<SchemaStatus, Error> {
    let titles = |from: usize| set.migrations()[from..].iter().map(|m: &Migration| m.title().to_owned()).collect();
    let of = |version, state, pending, problem| SchemaStatus { version, latest: set.latest(), state, pending, problem };
    // The other two are created when they are missing.
    let is_tenant = claim.recorded_oid.is_some();
    Ok(match resolver.resolve(client, name, claim)? {
        Standing::Applied(applied) if applied == set.migrations().len() => {
            of(set.latest(), State::Current, Vec::new(), None)
        }
        Standing::Applied(applied) => of(set.version_at(applied), State::Behind, titles(applied), None),
        Standing::Ahead { version } => of(Some(version), State::Ahead, Vec::new(), None),
        Standing::Missing => of(None, State::Missing, titles(0), is_tenant.then(|| Reason::SchemaMissing.to_string())),
        Standing::Diverged(divergence) => {
            of(claim.version, State::Diverged, Vec::new(), Some(Reason::Diverged(divergence).to_string()))
        }
        Standing::Unreadable(problem) => {
            of(claim.version, State::Diverged, Vec::new(), Some(Reason::History(problem).to_string()))
        }
    })
}
