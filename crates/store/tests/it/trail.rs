//! The audit trail, and those who would like to change it.

use palisade_model::{Action, TenantId};
use palisade_store::{AuditQuery, FaultKind};

use crate::fixture::{Fixture, event, on};

/// What `verify_chain` finds, as pairs of row and fault.
async fn faults(f: &Fixture) -> Vec<(i64, FaultKind)> {
    let report = f.store.verify_chain().await.unwrap();
    report.faults.into_iter().map(|fault| (fault.seq, fault.kind)).collect()
}

/// A trail of ten rows.
async fn ten(f: &Fixture) {
    for number in 2..=10 {
        f.store.append(vec![event(Action::UserChanged, &number.to_string())]).await.unwrap();
    }
    assert_eq!(faults(f).await, []);
}

/// Takes the triggers away, as the owner of the database can; what is left is the chain.
async fn without_triggers(f: &Fixture) {
    let sql = if f.on_postgres() {
        "ALTER TABLE audit DISABLE TRIGGER ALL; ALTER TABLE audit_personal DISABLE TRIGGER ALL; \
         ALTER TABLE head DISABLE TRIGGER ALL"
    } else {
        "DROP TRIGGER audit_next; DROP TRIGGER audit_update; DROP TRIGGER audit_delete; \
         DROP TRIGGER audit_personal_next; DROP TRIGGER audit_personal_update; \
         DROP TRIGGER audit_personal_delete; DROP TRIGGER head_once; DROP TRIGGER head_forward; \
         DROP TRIGGER head_stays"
    };
    f.attack(sql).await.unwrap();
}

on! { [memory sqlite postgres]
    // proves: AUD-1, AUD-2
    async fn the_chain_begins_with_the_store_and_holds(f: Fixture) {
        let ann = f.user("ann").await;
        f.store.append(vec![event(Action::SignedIn, "1"), event(Action::SignedOut, "1")]).await.unwrap();
        let report = f.store.verify_chain().await.unwrap();
        assert!(report.is_whole(), "{:?}", report.faults);
        assert_eq!((report.rows, report.head_seq), (4, 4));
        let trail = f.trail().await;
        assert_eq!((trail[0].seq, trail[0].action.as_str()), (1, Action::TrailOpened.name()));
        assert_eq!(trail[0].entity_id.len(), 32, "the store's own name, so that no two chains begin alike");
        assert_eq!(trail[1].entity_id, ann.id.to_string());
        assert_eq!(report.head_hash, trail[3].hash);
        let personal = trail[1].personal.as_ref().unwrap();
        assert_eq!(personal.email.as_deref(), Some("ann@example.com"));
        assert_eq!((personal.address.as_deref(), personal.address_known), (Some("192.0.2.7"), true));
        assert_eq!(personal.changes["name"]["new"], "x");
    }

    // proves: AUD-2
    async fn many_at_once_make_one_chain(f: Fixture) {
        let writing: Vec<_> = (0..200)
            .map(|turn: u32| {
                let store = f.store.clone();
                tokio::spawn(async move {
                    store.append(vec![event(Action::SignedIn, &turn.to_string()); 1 + turn as usize % 3]).await
                })
            })
            .collect();
        for written in writing {
            written.await.unwrap().unwrap();
        }
        let report = f.store.verify_chain().await.unwrap();
        assert!(report.is_whole(), "{:?}", report.faults);
        assert_eq!(report.rows, 1 + 67 + 2 * 67 + 3 * 66);
    }

    // proves: AUD-1, AUD-3
    async fn the_trail_is_read_by_what_one_looks_for(f: Fixture) {
        let ann = f.user("ann").await;
        let acme = TenantId::parse("acme");
        for number in 0..10 {
            let mut event = event(if number % 2 == 0 { Action::SignedIn } else { Action::SignedOut }, "e").by(ann.id);
            event.tenant = if number < 5 { acme.clone() } else { None };
            event.request_id = palisade_model::RequestId::parse("request-1");
            f.store.append(vec![event]).await.unwrap();
        }
        let rows = async |query: AuditQuery| {
            let rows = f.store.audit_rows(&query).await.unwrap();
            rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
        };
        let all = AuditQuery::default;
        assert_eq!(rows(all()).await, (1..=12).collect::<Vec<_>>());
        assert_eq!(rows(AuditQuery { tenant: acme.clone(), ..all() }).await, [3, 4, 5, 6, 7]);
        assert_eq!(rows(AuditQuery { tenant: TenantId::parse("other"), ..all() }).await, [0_i64; 0]);
        assert_eq!(rows(AuditQuery { newest_first: true, limit: 2, ..all() }).await, [12, 11]);
        assert_eq!(rows(AuditQuery { newest_first: true, before: Some(11), limit: 2, ..all() }).await, [10, 9]);
        assert_eq!(rows(AuditQuery { after: Some(10), ..all() }).await, [11, 12]);
        let signed_out = AuditQuery { action: Some("session.signed_out".into()), user: Some(ann.id), ..all() };
        assert_eq!(rows(signed_out).await, [4, 6, 8, 10, 12]);
        assert_eq!(rows(AuditQuery { entity_type: Some("store".into()), ..all() }).await, [1]);
        let about = |id: &str| AuditQuery {
            entity_type: Some("user".into()),
            entity_id: Some(id.into()),
            newest_first: true,
            ..all()
        };
        assert_eq!(rows(about("e")).await, (3..=12).rev().collect::<Vec<_>>());
        assert_eq!(rows(AuditQuery { tenant: acme.clone(), limit: 2, ..about("e") }).await, [7, 6]);
        assert_eq!(rows(AuditQuery { user: Some(ann.id), tenant: acme.clone(), ..about("e") }).await.len(), 5);
        assert_eq!(rows(AuditQuery { user: Some(ann.id), ..about("nothing") }).await, [0_i64; 0]);
        assert_eq!(rows(AuditQuery { entity_id: Some("' OR 1=1".into()), ..all() }).await, [0_i64; 0]);
        let row = &f.trail().await[2];
        assert_eq!((row.user, row.tenant.as_deref()), (Some(ann.id), Some("acme")));
        assert_eq!(row.request_id.as_deref(), Some("request-1"));
    }
}

mod attacked {
    use super::*;

    on! { [sqlite postgres]
        // proves: AUD-2
        async fn no_sql_changes_or_removes_a_row(f: Fixture) {
            ten(&f).await;
            let before = f.trail().await;
            let mut attacks = vec![
                "UPDATE audit SET action = 'nothing' WHERE seq = 3",
                "UPDATE audit SET seq = 99 WHERE seq = 10",
                "DELETE FROM audit WHERE seq = 3",
                "DELETE FROM audit",
                "UPDATE audit_personal SET body = '{}' WHERE seq = 3",
                "DELETE FROM audit_personal WHERE seq = 3",
                "DELETE FROM audit_personal",
                "UPDATE head SET audit_seq = 3",
                "UPDATE head SET audit_hash = (SELECT hash FROM audit WHERE seq = 3)",
                "UPDATE head SET feed_seq = feed_seq - 1",
                "DELETE FROM head",
                // A row in a gap, behind a gap, or in the place of another.
                "INSERT INTO audit SELECT 99, at, action, user_id, tenant, entity_type, entity_id, request_id, \
                 personal, hash FROM audit WHERE seq = 3",
                "INSERT INTO audit SELECT 0, at, action, user_id, tenant, entity_type, entity_id, request_id, \
                 personal, hash FROM audit WHERE seq = 3",
                "INSERT INTO audit SELECT * FROM audit WHERE seq = 3 \
                 ON CONFLICT (seq) DO UPDATE SET action = 'nothing'",
                "INSERT INTO audit_personal SELECT * FROM audit_personal WHERE seq = 3 \
                 ON CONFLICT (seq) DO UPDATE SET body = '{}'",
            ];
            attacks.extend(if f.on_postgres() {
                &[
                    "TRUNCATE audit, audit_personal",
                    "TRUNCATE audit CASCADE",
                    "TRUNCATE audit_personal",
                    "TRUNCATE head",
                    "SET session_replication_role = replica; UPDATE audit SET action = 'nothing' WHERE seq = 3",
                    "SET session_replication_role = replica; DELETE FROM audit_personal",
                    "SET session_replication_role = replica; DELETE FROM head",
                    "BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM audit WHERE seq = 3; COMMIT",
                ][..]
            } else {
                &[
                    "INSERT OR REPLACE INTO audit SELECT seq, at, 'nothing', user_id, tenant, entity_type, \
                     entity_id, request_id, personal, hash FROM audit WHERE seq = 3",
                    "REPLACE INTO audit_personal SELECT seq, salt, '{}' FROM audit_personal WHERE seq = 3",
                    "REPLACE INTO head SELECT id, store_id, 3, audit_hash, feed_seq, feed_floor FROM head",
                    "UPDATE OR REPLACE audit SET seq = 4 WHERE seq = 5",
                    "PRAGMA recursive_triggers = OFF; PRAGMA foreign_keys = OFF; DELETE FROM audit WHERE seq = 3",
                ][..]
            });
            for sql in attacks {
                let refused = f.attack(sql).await.expect_err(sql);
                assert!(
                    ["append-only", "forward only", "cannot be re"].iter().any(|why| refused.contains(why)),
                    "{sql}: refused for another reason: {refused}"
                );
                assert_eq!(f.trail().await, before, "{sql}");
                assert_eq!(faults(&f).await, [], "{sql}");
            }
            f.store.append(vec![event(Action::SignedIn, "11")]).await.unwrap();
        }

        // proves: AUD-2
        async fn a_changed_row_is_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            for (field, value) in [
                ("at", "at + 1"), ("action", "'user.enabled'"), ("user_id", "personal"), ("tenant", "'acme'"),
                ("entity_type", "'session'"), ("entity_id", "'5'"), ("request_id", "''"),
            ] {
                f.attack(&format!("CREATE TABLE kept AS SELECT * FROM audit WHERE seq = 4; \
                                   UPDATE audit SET {field} = {value} WHERE seq = 4")).await.unwrap();
                if field == "user_id" {
                    assert!(f.store.verify_chain().await.is_err(), "not even the form of an id");
                } else {
                    assert_eq!(faults(&f).await, [(4, FaultKind::Changed)], "{field}");
                }
                f.attack(&format!("UPDATE audit SET {field} = (SELECT {field} FROM kept) WHERE seq = 4; \
                                   DROP TABLE kept")).await.unwrap();
                assert_eq!(faults(&f).await, []);
            }
        }

        // proves: AUD-2
        async fn a_row_changed_with_its_hash_is_found_at_the_next(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack("UPDATE audit SET hash = personal, action = 'user.enabled' WHERE seq = 4").await.unwrap();
            assert_eq!(faults(&f).await, [(4, FaultKind::Changed), (5, FaultKind::Changed)]);
        }

        // proves: AUD-2
        async fn a_gap_is_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack("DELETE FROM audit_personal WHERE seq = 4; DELETE FROM audit WHERE seq = 4").await.unwrap();
            assert_eq!(faults(&f).await, [(5, FaultKind::Gap), (5, FaultKind::Changed)]);
        }

        // proves: AUD-2
        async fn rows_that_changed_places_are_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack(
                "CREATE TABLE kept AS SELECT * FROM audit WHERE seq IN (4, 5); \
                 UPDATE audit SET entity_id = (SELECT entity_id FROM kept WHERE kept.seq = 9 - audit.seq), \
                 personal = (SELECT personal FROM kept WHERE kept.seq = 9 - audit.seq), \
                 hash = (SELECT hash FROM kept WHERE kept.seq = 9 - audit.seq) WHERE seq IN (4, 5); \
                 CREATE TABLE kept2 AS SELECT * FROM audit_personal WHERE seq IN (4, 5); \
                 UPDATE audit_personal SET salt = (SELECT salt FROM kept2 WHERE kept2.seq = 9 - audit_personal.seq), \
                 body = (SELECT body FROM kept2 WHERE kept2.seq = 9 - audit_personal.seq) WHERE seq IN (4, 5)",
            ).await.unwrap();
            let found = faults(&f).await;
            assert_eq!(found[0], (4, FaultKind::Changed));
            assert!(found.iter().all(|(seq, _)| (4..=6).contains(seq)), "{found:?}");
        }

        // proves: AUD-2
        async fn a_cut_tail_is_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack("DELETE FROM audit_personal WHERE seq > 7; DELETE FROM audit WHERE seq > 7").await.unwrap();
            assert_eq!(faults(&f).await, [(10, FaultKind::Truncated)]);
            f.attack("DELETE FROM audit_personal; DELETE FROM audit").await.unwrap();
            assert_eq!(faults(&f).await, [(10, FaultKind::Truncated)]);
            let again = f.reopen().await;
            assert!(!again.verify_chain().await.unwrap().is_whole());
            assert!(f.trail().await.is_empty(), "opening again went on as if nothing had happened");
        }

        // proves: AUD-2
        async fn an_added_row_or_another_head_is_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack("INSERT INTO audit SELECT 11, at, action, user_id, tenant, entity_type, entity_id, \
                      request_id, personal, hash FROM audit WHERE seq = 3").await.unwrap();
            assert_eq!(faults(&f).await, [(11, FaultKind::Beyond)]);
            f.attack("DELETE FROM audit WHERE seq = 11; \
                      UPDATE head SET audit_hash = (SELECT hash FROM audit WHERE seq = 3)").await.unwrap();
            assert_eq!(faults(&f).await, [(10, FaultKind::Head)]);
        }

        // proves: AUD-2
        async fn a_changed_or_lost_personal_part_is_found(f: Fixture) {
            ten(&f).await;
            without_triggers(&f).await;
            f.attack("UPDATE audit_personal SET body = '{\"email\":\"eve@example.com\"}' WHERE seq = 4; \
                      DELETE FROM audit_personal WHERE seq = 6").await.unwrap();
            assert_eq!(faults(&f).await, [(4, FaultKind::PersonalChanged), (6, FaultKind::PersonalMissing)]);
            let report = f.store.verify_chain().await.unwrap();
            assert_eq!(report.faults[1].to_string(), "row 6 has lost its personal part");
        }
    }
}
