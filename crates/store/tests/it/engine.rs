//! What the databases have to do for everything else: transactions, the feed, migrations, closing.

use std::collections::HashSet;
use std::time::Duration;

use palisade_model::{Action, Secret};
use palisade_store::{Location, Store, StoreError, Subject};

use crate::fixture::{self, HOUR, created, event, on};
use crate::server::Server;

on! { [memory sqlite postgres]
    // proves: AUD-1
    async fn a_write_that_fails_fails_alone(f: Fixture) {
        let taken = f.user("taken").await;
        let writing: Vec<_> = (0..300)
            .map(|turn| {
                let user = f.some_user(&if turn % 3 == 0 { "taken".into() } else { format!("user{turn}") });
                let store = f.store.clone();
                tokio::spawn(async move { store.create_user(&user, vec![created(&user)]).await })
            })
            .collect();
        let mut refused = 0;
        for outcome in writing {
            match outcome.await.unwrap() {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, StoreError::Taken { what: "name" });
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 100);
        assert_eq!(f.store.user_count().await.unwrap(), 201);
        assert_eq!(f.store.user_by_login("taken").await.unwrap().unwrap().id, taken.id);
        let report = f.store.verify_chain().await.unwrap();
        assert!(report.is_whole(), "{:?}", report.faults);
        assert_eq!(report.rows, 202, "one row for the trail's beginning and one for each user");
    }

    // proves: ID-8
    async fn whoever_follows_the_feed_misses_nothing(f: Fixture) {
        let follower = {
            let store = f.store.clone();
            tokio::spawn(async move {
                let (mut at, mut told) = (0, Vec::new());
                while told.len() < 200 {
                    let (next, more) = store.invalidations_after(at).await.unwrap();
                    assert!(next >= at);
                    at = next;
                    told.extend(more);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                told
            })
        };
        let mut expected = HashSet::new();
        let mut writing = Vec::new();
        for turn in 0..200 {
            let user = f.some_user(&format!("user{turn}"));
            expected.insert(Subject::User(user.id));
            let store = f.store.clone();
            writing.push(tokio::spawn(async move { store.create_user(&user, vec![created(&user)]).await }));
        }
        for written in writing {
            written.await.unwrap().unwrap();
        }
        let told = tokio::time::timeout(HOUR / 60, follower).await.expect("something was missed").unwrap();
        assert_eq!(told.len(), 200);
        assert_eq!(told.into_iter().collect::<HashSet<_>>(), expected);
    }

    // proves: ID-8
    async fn who_asks_for_a_pruned_part_of_the_feed_is_told(f: Fixture) {
        f.user("ann").await;
        let (end, none) = f.store.invalidations_after(-1).await.unwrap();
        assert_eq!((end, none.len()), (1, 0), "where the feed ends, and nothing of it");
        f.clock.advance(HOUR + Duration::from_secs(1));
        let bob = f.user("bob").await;
        f.store.prune(f.world.now()).await.unwrap();
        assert_eq!(f.store.invalidations_after(0).await, Err(StoreError::Gone));
        assert_eq!(f.store.invalidations_after(1).await.unwrap(), (2, vec![Subject::User(bob.id)]));
        f.clock.advance(HOUR * 2);
        f.store.prune(f.world.now()).await.unwrap();
        assert_eq!(f.store.invalidations_after(1).await, Err(StoreError::Gone), "also when nothing is left");
        assert_eq!(f.store.invalidations_after(2).await.unwrap(), (2, vec![]));
    }

    // proves: ID-8, ID-10
    async fn pruning_takes_what_is_over_and_nothing_else(f: Fixture) {
        let ann = f.user("ann").await;
        let old = f.session(ann.id);
        let old_token = f.token(ann.id);
        f.store.create_session(&old, None, vec![]).await.unwrap();
        f.store.create_family(&old_token, vec![]).await.unwrap();
        f.store.create_link(&f.link(ann.id, 1), vec![]).await.unwrap();
        f.clock.advance(HOUR);
        let new = f.session(ann.id);
        f.store.create_session(&new, None, vec![]).await.unwrap();
        f.store.prune(f.world.now()).await.unwrap();
        assert!(f.store.refresh_token(&old_token.digest).await.unwrap().is_none());
        assert!(f.store.link(&[1; 32]).await.unwrap().is_none());
        assert!(f.store.session(&new.digest).await.unwrap().is_some());
        assert!(f.store.user(ann.id).await.unwrap().is_some());
        assert!(f.store.verify_chain().await.unwrap().is_whole());
    }

    // proves: AUD-1
    async fn a_write_comes_to_its_end_though_its_caller_has_gone(f: Fixture) {
        for turn in 0..60 {
            let user = f.some_user(&format!("user{turn}"));
            let store = f.store.clone();
            let writing = tokio::spawn(async move { store.create_user(&user, vec![created(&user)]).await });
            tokio::time::sleep(Duration::from_micros(turn * 30)).await;
            writing.abort();
            let _ = writing.await;
        }
        // What was begun is either whole or not there.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let users = f.store.user_count().await.unwrap();
        assert_eq!(f.actions().await.len() as u64, users);
        assert!(f.store.verify_chain().await.unwrap().is_whole());
        f.user("after").await;
    }

    // proves: AUD-2
    async fn a_closed_store_answers_with_errors_and_never_with_nothing(f: Fixture) {
        let ann = f.user("ann").await;
        let store = f.store.clone();
        f.store.clone().close().await;
        let closed = |error: StoreError| matches!(error, StoreError::Unavailable(_));
        assert!(closed(store.user(ann.id).await.unwrap_err()));
        assert!(closed(store.users(None, 10).await.unwrap_err()));
        assert!(closed(store.user_count().await.unwrap_err()));
        assert!(closed(store.session(&[0; 32]).await.unwrap_err()));
        assert!(closed(store.sessions_of(ann.id).await.unwrap_err()));
        assert!(closed(store.invalidations_after(0).await.unwrap_err()));
        assert!(closed(store.verify_chain().await.unwrap_err()));
        assert!(closed(store.append(vec![created(&ann)]).await.unwrap_err()));
        assert!(closed(store.ping().await.unwrap_err()));
        assert!(closed(store.load_counters(f.world.now()).await.unwrap_err()));
    }
}

mod shared {
    use super::*;

    on! { [sqlite postgres]
        // proves: AUD-2
        async fn nodes_that_start_at_once_make_one_schema_and_one_trail(f: Fixture) {
            // Somebody takes the schema away; now all start on an empty database.
            let fresh = match &f.location {
                Location::Sqlite(path) => Location::Sqlite(path.with_file_name("fresh.db")),
                other => {
                    f.attack("DROP SCHEMA palisade CASCADE").await.unwrap();
                    other.clone()
                }
            };
            let starting: Vec<_> = (0..8)
                .map(|_| {
                    let (fresh, world) = (fresh.clone(), f.world.clone());
                    tokio::spawn(async move { Store::open(&fresh, &world).await.unwrap() })
                })
                .collect();
            let mut nodes = Vec::new();
            for node in starting {
                nodes.push(node.await.unwrap());
            }
            // All of them write at once, into one chain.
            let writing: Vec<_> = (0..64)
                .map(|turn| {
                    let (store, user) = (nodes[turn % 8].clone(), f.some_user(&format!("user{turn}")));
                    tokio::spawn(async move { store.create_user(&user, vec![created(&user)]).await.unwrap() })
                })
                .collect();
            for written in writing {
                written.await.unwrap();
            }
            let report = nodes[0].verify_chain().await.unwrap();
            assert!(report.is_whole(), "{:?}", report.faults);
            assert_eq!(report.rows, 65);
        }

        // proves: OBS-5
        async fn a_newer_schema_is_refused_and_left_alone(f: Fixture) {
            f.user("ann").await;
            f.attack("INSERT INTO palisade_schema (version, applied_at) VALUES (99, 0)").await.unwrap();
            let error = Store::open(&f.location, &f.world).await.unwrap_err();
            assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
            assert!(error.to_string().contains("99"));
            assert_eq!(f.store.user_count().await.unwrap(), 1);
        }

        // proves: AUD-2
        async fn what_is_written_is_there_in_the_next_run(f: Fixture) {
            let ann = f.user("ann").await;
            let head = f.store.audit_head().await.unwrap();
            f.store.clone().close().await;
            let again = f.reopen().await;
            assert_eq!(again.user(ann.id).await.unwrap(), Some(ann));
            assert_eq!(again.audit_head().await.unwrap(), head, "opening again adds nothing to the trail");
            again.append(vec![event(Action::SignedIn, "ann")]).await.unwrap();
            assert!(again.verify_chain().await.unwrap().is_whole());
        }
    }
}

// proves: AUD-5
#[tokio::test]
async fn an_unreachable_database_is_told_without_its_password() {
    let (world, _) = fixture::world();
    for url in [
        "postgres://wilma:hunter2@127.0.0.1:1/db",
        "postgres://wilma:hunter2@127.0.0.1:1/db?sslmode=require",
        "postgres://wilma:hunter2@/db?host=/nowhere",
        "postgres://wilma:hunter2@h/db?sslmode=sometimes",
    ] {
        let error = Store::open(&Location::Postgres(Secret::new(url)), &world).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2") && !told.contains("wilma") && !told.contains("SET "), "{told}");
    }
}

#[cfg(unix)]
// proves: AUD-5
#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let f = fixture::Fixture::sqlite().await;
    let Location::Sqlite(path) = &f.location else { unreachable!() };
    f.user("ann").await;
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap().flatten() {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

// proves: AUD-5
#[tokio::test]
async fn who_asks_for_tls_never_gets_less() {
    let f = fixture::Fixture::postgres().await;
    let Location::Postgres(url) = &f.location else { unreachable!() };
    for mode in ["require", "verify-ca", "verify-full"] {
        let asking = Location::Postgres(Secret::new(format!("{}?sslmode={mode}", url.expose())));
        let error = Store::open(&asking, &f.world).await.expect_err(mode);
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    let off = Location::Postgres(Secret::new(format!("{}?sslmode=disable", url.expose())));
    Store::open(&off, &f.world).await.unwrap();
}

/// Where the helper process below connects to.
const TLS_URL: &str = "PALISADE_TEST_TLS_URL";

/// A process of its own, since which authorities are trusted is settled when one starts. By itself it connects to a
/// server without TLS.
#[tokio::test]
async fn the_tls_client() {
    let (world, _) = fixture::world();
    let plain = fixture::Fixture::postgres().await;
    let location = match std::env::var(TLS_URL) {
        Ok(url) => Location::Postgres(Secret::new(url)),
        Err(_) => plain.location.clone(),
    };
    let store = Store::open(&location, &world).await.unwrap();
    store.ping().await.unwrap();
}

// proves: AUD-5
#[test]
fn a_server_has_to_prove_its_name() {
    let (_server, port, authority) = Server::start_with_tls();
    let connects = |host: &str, mode: &str, trusted: &std::path::Path| {
        let client = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["engine::the_tls_client", "--exact"])
            .env(TLS_URL, format!("postgres://postgres@{host}:{port}/test?sslmode={mode}"))
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        client.status.success()
    };
    let nobody = tempfile::NamedTempFile::new().unwrap();
    assert!(connects("localhost", "require", &authority));
    assert!(connects("localhost", "verify-full", &authority));
    assert!(!connects("localhost", "require", nobody.path()), "an authority that nobody trusts");
    assert!(!connects("127.0.0.1", "require", &authority), "another name than the certificate's");
    assert!(!connects("localhost", "disable", &authority), "this server lets nobody in without TLS");
}
