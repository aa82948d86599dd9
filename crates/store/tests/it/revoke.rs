//! Everything that lets somebody in, ended at once for a user, a tenant or everybody.

use palisade_model::id::UserId;
use palisade_model::{Action, TenantId};
use palisade_store::{Reach, Revoked, Subject};

use crate::fixture::{Fixture, event, on};

impl Fixture {
    /// A session, a family and a link of the user.
    async fn lets_in(&self, user: UserId, seed: u8) -> ([u8; 32], [u8; 32], [u8; 32]) {
        let (session, token, link) = (self.session(user), self.token(user), self.link(user, seed));
        self.store.create_session(&session, None, vec![]).await.unwrap();
        self.store.create_family(&token, vec![]).await.unwrap();
        self.store.create_link(&link, vec![]).await.unwrap();
        (session.digest, token.digest, link.digest)
    }

    async fn gets_in(&self, of: &([u8; 32], [u8; 32], [u8; 32])) -> [bool; 3] {
        let family = self.store.refresh_token(&of.1).await.unwrap().unwrap().family;
        [
            self.store.session(&of.0).await.unwrap().is_some(),
            self.store.family_live(family).await.unwrap().is_some(),
            self.store.link(&of.2).await.unwrap().is_some(),
        ]
    }
}

on! { [memory sqlite postgres]
    // proves: ID-8, INC-2, AUD-1
    async fn what_is_ended_is_whose_it_should_be_and_nobody_elses(f: Fixture) {
        let north = TenantId::parse("north").unwrap();
        let mut users = Vec::new();
        for (name, tenant) in [("ann", Some(&north)), ("bob", Some(&north)), ("cid", None)] {
            let user = palisade_store::User { tenant: tenant.cloned(), ..f.some_user(name) };
            f.store.create_user(&user, vec![]).await.unwrap();
            users.push(user.id);
        }
        let mut all = Vec::new();
        for (seed, user) in users.iter().enumerate() {
            all.push(f.lets_in(*user, u8::try_from(seed).unwrap()).await);
        }
        let (before, _) = f.store.invalidations_after(-1).await.unwrap();
        let row = || vec![event(Action::AccessRevoked, "x")];
        let one = Revoked { sessions: 1, families: 1, tokens: 0, links: 1 };
        let yes = [true; 3];
        let no = [false; 3];

        assert_eq!(f.store.revoke_access(&Reach::User(users[0]), row()).await.unwrap(), one);
        assert_eq!([f.gets_in(&all[0]).await, f.gets_in(&all[1]).await, f.gets_in(&all[2]).await], [no, yes, yes]);
        assert_eq!(f.store.invalidations_after(before).await.unwrap().1, [Subject::User(users[0])]);
        let nothing = f.store.revoke_access(&Reach::User(users[0]), row()).await.unwrap();
        assert_eq!(nothing, Revoked::default());

        assert_eq!(f.store.revoke_access(&Reach::Tenant(north), row()).await.unwrap(), one);
        assert_eq!([f.gets_in(&all[1]).await, f.gets_in(&all[2]).await], [no, yes]);
        assert_eq!(f.store.revoke_access(&Reach::Everybody, row()).await.unwrap(), one);
        assert_eq!(f.gets_in(&all[2]).await, no);
        let (_, told) = f.store.invalidations_after(before).await.unwrap();
        assert_eq!(told.last(), Some(&Subject::Everybody));
        assert_eq!(f.actions().await.iter().filter(|action| *action == "access.revoked").count(), 4);
    }
}
