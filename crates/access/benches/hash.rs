//! The default password hash alone, on as many threads as the pool has: what sign-in is measured against.
//!
//! Prints one line of JSON. `cargo bench -p palisade-access --bench hash -- SECONDS`

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up ends")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use palisade_model::Environment;
use palisade_policy::Policy;
use palisade_policy::section::identify::Hashing;

/// As many hashes as one thread makes until `end`.
fn hash_until(end: Instant, params: &Params) -> u32 {
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = [0; 32];
    let mut count = 0;
    while Instant::now() < end {
        let password = black_box(b"violet kayak umbrella 39");
        argon2.hash_password_into_with_memory(password, b"sixteen bytes of", &mut out, &mut memory).unwrap();
        black_box(out);
        count += 1;
    }
    count
}

fn main() {
    let seconds = std::env::args().filter_map(|text| text.parse().ok()).next().unwrap_or(3);
    let text = "[app]\nname = \"Bench\"\nenvironment = \"testing\"\nbase_url = \"https://bench.example\"";
    let passwords =
        Policy::from_toml("bench.toml", text, &Environment::default()).unwrap().policy.identify.passwords;
    let Hashing::Argon2id { memory_kib, passes } = passwords.hashing else { return };
    let params = Params::new(memory_kib, passes, 1, Some(32)).unwrap();
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    let hashes: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..passwords.workers).map(|_| scope.spawn(|| hash_until(end, &params))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let took = began.elapsed().as_secs_f64();
    println!("{{\"hashes\":{hashes},\"seconds\":{took:.3},\"threads\":{}}}", passwords.workers);
}
