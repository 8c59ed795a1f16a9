//! The connection is cut, in mid-message and around a commit.

use std::collections::BTreeMap;

use migrations_core::Database;

use crate::dice::{Dice, rounds};
use crate::runner::up;
use crate::severing::{Cut, Severing};
use crate::site::{Site, name};

const TENANTS: usize = 8;

fn plan(cuts: &[(usize, Cut)]) -> BTreeMap<usize, Cut> {
    cuts.iter().copied().collect()
}

/// How many queries an undisturbed upgrade sends.
fn queries(site: &Site) -> usize {
    let copy = site.copy();
    let proxy = Severing::start(&site.server(), BTreeMap::new());
    up(&proxy.url(copy.name()), &[]).finish().succeeded();
    copy.assert_whole();
    proxy.queries().len()
}

fn cut_at_random(cut: Cut) {
    let site = Site::new(TENANTS);
    let queries = queries(&site);
    assert!(queries > TENANTS * 8, "the proxy sees the migrations: {queries}");
    let mut dice = Dice::new();
    let (mut cuts, mut survived) = (0, 0);
    let rounds = rounds(4);
    for _ in 0..rounds {
        let copy = site.copy();
        let at: Vec<_> =
            (0..=dice.below(3)).map(|_| (usize::try_from(dice.below(queries as u64)).unwrap(), cut)).collect();
        let proxy = Severing::start(&site.server(), plan(&at));
        let ran = up(&proxy.url(copy.name()), &[]).finish();
        cuts += proxy.done().len();
        if ran.code == Some(0) {
            // A tenant that is reported as done is done.
            survived += 1;
            copy.assert_whole();
        } else {
            eprintln!("{cut:?} at {at:?}: {:?}\n{}", proxy.done(), ran.stdout);
        }
        copy.rerun_makes_it_whole();
    }
    eprintln!("{cut:?}: {cuts} cuts in {rounds} rounds, {survived} survived by the run itself");
    assert!(cuts > 0, "nothing was cut");
}

#[test]
fn a_rerun_after_a_cut_in_the_middle_of_a_message_leaves_every_tenant_whole() {
    cut_at_random(Cut::InTheMessage);
}

#[test]
fn a_rerun_after_a_cut_behind_a_message_leaves_every_tenant_whole() {
    cut_at_random(Cut::BehindTheMessage);
}

#[test]
fn a_rerun_after_a_cut_between_the_commit_and_its_answer_leaves_every_tenant_whole() {
    cut_at_random(Cut::BeforeTheAnswer);
}

/// Every query of one tenant's upgrade, cut in every way.
#[test]
fn no_message_of_an_upgrade_is_one_that_must_not_be_cut() {
    let site = Site::new(1);
    let queries = queries(&site);
    // All of the queries at full length.
    let step = if rounds(0) == 0 { 3 } else { 1 };
    for cut in [Cut::InTheMessage, Cut::BehindTheMessage, Cut::BeforeTheAnswer] {
        for number in (0..queries).step_by(step) {
            let copy = site.copy();
            let proxy = Severing::start(&site.server(), plan(&[(number, cut)]));
            let ran = up(&proxy.url(copy.name()), &["--jobs", "1"]).finish();
            assert_eq!(proxy.done().len(), 1, "query {number} was cut");
            if ran.code != Some(0) {
                eprintln!("{cut:?} at {number} of {queries}: {:?}\n{}", proxy.done(), ran.stdout);
            }
            copy.rerun_makes_it_whole();
        }
    }
}

#[test]
fn a_sign_up_whose_answer_was_lost_is_found_by_the_next_one() {
    let site = Site::new(1);
    let migrator = migrate::migrator().unwrap();
    let cuts = [Cut::InTheMessage, Cut::BehindTheMessage, Cut::BeforeTheAnswer];
    // A tenant that is provisioned, and one from the pool.
    for (spares, message) in [(0, "CREATE SCHEMA"), (1, "ALTER SCHEMA")] {
        for cut in cuts {
            let copy = site.copy();
            up(&copy.url(), &[]).finish().succeeded();
            let through = |proxy: &Severing| Database::from_url(&proxy.url(copy.name())).unwrap();
            let sign_up = |proxy: &Severing, tenant: &str| {
                migrator.fill_pool(&copy.database(), spares).unwrap();
                migrator.get_or_create_tenant(&through(proxy), &name(tenant)).unwrap()
            };
            let script = {
                let proxy = Severing::start(&site.server(), BTreeMap::new());
                sign_up(&proxy, "globex");
                proxy.queries().iter().rposition(|text| text.contains(message)).unwrap()
            };
            let proxy = Severing::start(&site.server(), plan(&[(script, cut)]));
            let (tenant, created) = sign_up(&proxy, "acme");
            assert_eq!(proxy.done().len(), 1);
            assert!(proxy.queries()[script].contains(message), "it is that message which was cut");
            assert_eq!(tenant.name, name("acme"));
            // If the commit was done, the caller is not told that it created the tenant.
            assert!(created || cut != Cut::InTheMessage);
            let (again, created) = migrator.get_or_create_tenant(&copy.database(), &name("acme")).unwrap();
            assert!(!created && again == tenant);
            migrator.drain_pool(&copy.database()).unwrap();
            copy.assert_whole();
            assert_eq!(migrator.tenants(&copy.database()).unwrap().len(), 3);
        }
    }
}
