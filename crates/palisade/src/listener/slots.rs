//! How many connections there may be, in all and from one address (EDGE-5).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use palisade_model::ClientAddress;
use palisade_policy::section::edge::WireLimits;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How many connections may be turned away in words at the same time. Those beyond are just closed.
const WORDS: usize = 64;

/// Counts connections.
pub(super) struct Slots {
    counts: Mutex<Counts>,
    most: usize,
    most_per_address: usize,
    proxies: Vec<IpNet>,
    freed: Notify,
    words: Arc<Semaphore>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to be a connection. Dropping it frees the place.
pub(super) struct Slot {
    slots: Arc<Slots>,
    /// The address that it counts for, unless it is a proxy's.
    key: Option<IpAddr>,
}

/// No place.
pub(super) struct Refused {
    /// For the log.
    pub(super) why: &'static str,
    /// The right to be told so, if that many are not being told already.
    pub(super) word: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(limits: &WireLimits, proxies: Vec<IpNet>) -> Self {
        Self {
            counts: Mutex::default(),
            most: limits.connections,
            most_per_address: limits.connections_per_address,
            proxies,
            freed: Notify::new(),
            words: Arc::new(Semaphore::new(WORDS)),
        }
    }

    /// A place for one more connection from that address.
    pub(super) fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Slot, Refused> {
        let ip = ip.to_canonical();
        let proxied = self.proxies.iter().any(|network| network.contains(&ip));
        let key = (!proxied).then(|| ClientAddress::known(ip).limit_key());
        match self.count(key) {
            Ok(()) => Ok(Slot { slots: self.clone(), key }),
            Err(why) => Err(Refused { why, word: self.words.clone().try_acquire_owned().ok() }),
        }
    }

    fn count(&self, key: Option<IpAddr>) -> Result<(), &'static str> {
        let mut counts = self.counts.lock();
        if counts.all >= self.most {
            return Err("all connections are taken");
        }
        if let Some(key) = key {
            let own = counts.by_address.entry(key).or_default();
            if *own >= self.most_per_address {
                return Err("all connections of the address are taken");
            }
            *own += 1;
        }
        counts.all += 1;
        Ok(())
    }

    /// How many connections there are.
    pub(super) fn taken(&self) -> usize {
        self.counts.lock().all
    }

    /// Waits until there is no connection any more.
    pub(super) async fn all_free(&self) {
        loop {
            let freed = self.freed.notified();
            if self.taken() == 0 {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(key) = self.key
            && let Some(own) = counts.by_address.get_mut(&key)
        {
            *own = own.saturating_sub(1);
            if *own == 0 {
                counts.by_address.remove(&key);
            }
        }
        if counts.all == 0 {
            self.slots.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn slots(most: usize, most_per_address: usize) -> Arc<Slots> {
        let limits = WireLimits {
            uri_bytes: 1,
            header_bytes: 1,
            headers: 1,
            header_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            connections: most,
            connections_per_address: most_per_address,
            streams: 1,
        };
        Arc::new(Slots::new(&limits, vec!["10.0.0.0/8".parse().unwrap()]))
    }

    // proves: EDGE-5, LIMIT-8
    #[test]
    fn an_address_has_its_share_and_a_proxy_the_whole() {
        let slots = slots(4, 2);
        let take = |ip: &str| slots.take(ip.parse().unwrap());
        let held = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(held.0.is_ok() && held.1.is_ok());
        assert!(take("192.0.2.1").is_err(), "the third of an address");
        let proxied = (take("10.1.2.3"), take("10.1.2.3"));
        assert!(proxied.0.is_ok() && proxied.1.is_ok());
        assert!(take("192.0.2.9").is_err(), "the fifth of all");
        drop(held);
        assert!(take("2001:db8::1").is_ok());
        assert_eq!(slots.taken(), 2);
        drop(proxied);
        assert!(slots.counts.lock().by_address.is_empty(), "nothing is remembered of who has left");
    }

    // proves: EDGE-5
    #[test]
    fn only_so_many_are_turned_away_in_words() {
        let slots = slots(0, 1);
        let refused: Vec<_> =
            (0..WORDS + 5).filter_map(|_| slots.take([192, 0, 2, 1].into()).err()).collect();
        assert_eq!(refused.iter().filter(|refused| refused.word.is_some()).count(), WORDS);
    }
}
