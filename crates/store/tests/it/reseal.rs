//! Other seals for what callers keep sealed.

use palisade_model::id::MailId;
use palisade_store::{Mail, Reseal, Sealed};

use crate::fixture::{HOUR, on};

on! { [memory sqlite postgres]
    // proves: ID-11
    async fn rows_are_met_in_pages_and_a_seal_that_changed_meanwhile_stays(f: Fixture) {
        let now = f.world.now();
        for n in 0..1203_u32 {
            let id = MailId::generate(now, &*f.world.entropy).unwrap();
            let mail = Mail { id, sealed: n.to_be_bytes().to_vec(), tries: 0, next_at: now, expires_at: now.plus(HOUR) };
            f.store.queue_mail(&mail, None).await.unwrap();
        }
        let (mut after, mut seen, mut pages) = (Vec::new(), std::collections::BTreeSet::new(), 0);
        loop {
            let rows = f.store.sealed_after(Sealed::Letters, &after).await.unwrap();
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            pages += 1;
            seen.extend(rows.iter().map(|(_, sealed)| sealed.clone()));
            let reseals = rows.into_iter().map(|(key, was)| Reseal { key, becomes: [was.as_slice(), b"!"].concat(), was });
            f.store.reseal(Sealed::Letters, reseals.collect()).await.unwrap();
        }
        assert_eq!((seen.len(), pages), (1203, 3));
        let rows = f.store.sealed_after(Sealed::Letters, &[]).await.unwrap();
        assert!(rows.iter().all(|(_, sealed)| sealed.len() == 5));
        let (key, sealed) = rows[0].clone();
        let late = Reseal { key, was: b"before".to_vec(), becomes: b"late".to_vec() };
        f.store.reseal(Sealed::Letters, vec![late]).await.unwrap();
        assert_eq!(f.store.sealed_after(Sealed::Letters, &[]).await.unwrap()[0].1, sealed);
        for other in [Sealed::Totp, Sealed::SignUps] {
            assert!(f.store.sealed_after(other, &[]).await.unwrap().is_empty());
        }
    }
}
