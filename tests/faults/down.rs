//! The server goes down and stays down, or the connection is lost at any message of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use migrations_core::{Database, Error, Event, RunOptions};
use migrations_embedded::Server;

use crate::runner::up;
use crate::severing::{Cut, Severing};
use crate::site::{NOTES, Site, names, small};

#[test]
fn a_server_that_goes_down_in_the_middle_of_many_creates_ends_the_run_once() {
    let server = Server::throwaway().unwrap();
    let database = Database::from_url(&server.url("postgres")).unwrap().with_wait(Duration::from_secs(1));
    assert!(small(&[NOTES]).run(&database).unwrap().is_success());
    let (server, failed) = (Arc::new(Mutex::new(server)), Arc::new(Mutex::new(0)));
    let (victim, count) = (Arc::clone(&server), Arc::clone(&failed));
    let migrator = small(&[NOTES]).jobs(2).on_event(move |event| match event {
        Event::TenantCreated { progress, .. } if progress.done == 5 => victim.lock().unwrap().kill_immediate().unwrap(),
        Event::TenantFailed { .. } => *count.lock().unwrap() += 1,
        _ => {}
    });
    let start = Instant::now();
    let ended = migrator.run_with(&database, &RunOptions::new().create(names(60)));
    let Err(ended) = ended else { panic!("{ended:?}") };
    assert!(matches!(ended.error, Error::Connect(_)), "{ended:?}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(*failed.lock().unwrap(), 0, "it is the server that failed, no tenant did");
}

/// A connection that is lost once is replaced, whatever a run is doing, including planning and queries.
#[test]
fn a_run_survives_the_loss_of_its_connection_at_any_message() {
    let site = Site::new(1);
    let queries = {
        let copy = site.copy();
        let proxy = Severing::start(&site.server(), BTreeMap::new());
        up(&proxy.url(copy.name()), &["--jobs", "1"]).finish().succeeded();
        proxy.queries().len()
    };
    let mut died = Vec::new();
    for number in 0..queries {
        let copy = site.copy();
        let proxy = Severing::start(&site.server(), BTreeMap::from([(number, Cut::BehindTheMessage)]));
        let ran = up(&proxy.url(copy.name()), &["--jobs", "1"]).finish();
        assert_eq!(proxy.done().len(), 1, "query {number} was cut");
        if ran.code != Some(0) {
            died.push((number, proxy.done(), ran.stdout));
        }
        copy.rerun_makes_it_whole();
    }
    assert!(died.is_empty(), "{} of {queries}: {died:#?}", died.len());
}
