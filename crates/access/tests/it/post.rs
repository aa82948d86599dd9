//! Letters: queued, sealed, claimed once.

use std::time::Duration;

use palisade_access::{Matter, Notice};
use palisade_model::audit::Origin;

use crate::house::{House, origin};

const LEASE: Duration = Duration::from_secs(60);

// proves: ID-4
#[tokio::test]
async fn a_notice_goes_to_a_confirmed_address_and_to_no_other() {
    let house = House::new().await;
    let id = house.user("ann", &["user"]).await;
    let mut user = house.store.user(id).await.unwrap().unwrap();
    user.email = Some("ann@example.com".into());
    house.access.notify(&user, Notice::NewDevice, &origin()).await;
    assert!(house.access.claim_mail(LEASE, 10).await.unwrap().is_empty(), "nobody confirmed that address");

    user.email_verified_at = Some(house.world.now());
    house.access.notify(&user, Notice::NewDevice, &origin()).await;
    let claimed = house.access.claim_mail(LEASE, 10).await.unwrap();
    let letter = claimed[0].letter.as_ref().unwrap();
    assert_eq!((claimed.len(), claimed[0].tries, letter.to.as_str()), (1, 1, "ann@example.com"));
    assert!(matches!(letter.matter, Matter::Notice(Notice::NewDevice)));
    assert_eq!(letter.address, origin().address.map(|address| address.to_string()));
}

// proves: ID-4
#[tokio::test]
async fn a_letter_is_claimed_by_one_and_again_only_when_the_claim_has_run_out() {
    let house = House::new().await;
    let mut user = house.store.user(house.user("ann", &["user"]).await).await.unwrap().unwrap();
    (user.email, user.email_verified_at) = (Some("ann@example.com".into()), Some(house.world.now()));
    for _ in 0..5 {
        house.access.notify(&user, Notice::PasswordChanged, &Origin::default()).await;
    }
    let neighbour = house.neighbour().await;
    let (ours, theirs) = tokio::join!(house.access.claim_mail(LEASE, 3), neighbour.claim_mail(LEASE, 10));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours.len() + theirs.len(), 5);
    assert!(ours.iter().all(|one| theirs.iter().all(|other| other.id != one.id)), "claimed twice");
    assert!(neighbour.claim_mail(LEASE, 10).await.unwrap().is_empty());

    house.access.forget_mail(ours[0].id).await.unwrap();
    house.access.put_off_mail(ours[1].id, house.world.now().plus(LEASE * 3)).await.unwrap();
    house.clock.advance(LEASE);
    let again = house.access.claim_mail(LEASE, 10).await.unwrap();
    assert_eq!(again.len(), 3, "one was sent, one is put off");
    assert!(again.iter().all(|waiting| waiting.tries == 2 && waiting.letter.is_some()));
    house.clock.advance(Duration::from_secs(24 * 3600));
    assert!(house.access.claim_mail(LEASE, 10).await.unwrap().is_empty(), "given up after a day");
}
