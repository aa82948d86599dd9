//! Codes of authenticator applications: TOTP (RFC 6238) over HMAC-SHA-1, 30 seconds, six digits, which is what all of
//! them know.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use palisade_model::world::NoEntropy;
use palisade_model::{Timestamp, World, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// Seconds that a code lives for (RFC 6238 section 5.2).
const STEP: i64 = 30;

/// How many steps a clock may be off, either way.
const SKEW: i64 = 1;

/// What stands unencoded in the label of a URI.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// 160 random bits (RFC 4226 section 4, R6).
pub(crate) fn generate(world: &World) -> Result<Zeroizing<Vec<u8>>, NoEntropy> {
    let mut secret = Zeroizing::new(vec![0_u8; 20]);
    world.entropy.fill(&mut secret)?;
    Ok(secret)
}

/// The secret as people type it: base32 in groups of four.
pub(crate) fn readable(secret: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(BASE32_NOPAD.encode(secret));
    let groups: Vec<&str> =
        text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Zeroizing::new(groups.join(" "))
}

/// The address in the QR code (Key Uri Format).
pub(crate) fn uri(issuer: &str, account: &str, secret: &[u8]) -> Zeroizing<String> {
    // A colon ends the issuer in a label, so none may stand in it.
    let issuer = issuer.replace(':', " ");
    let (issuer, account) = (utf8_percent_encode(&issuer, LABEL), utf8_percent_encode(account, LABEL));
    let secret = Zeroizing::new(BASE32_NOPAD.encode(secret));
    let secret = secret.as_str();
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP}"
    ))
}

/// The step whose code this is, of those that a clock may be off by; the latest of them if there are two.
pub(crate) fn step_of(secret: &[u8], shown: &str, now: Timestamp) -> Option<i64> {
    let shown: Zeroizing<String> = Zeroizing::new(shown.chars().filter(|c| !c.is_whitespace()).collect());
    let present = now.as_micros().div_euclid(1_000_000 * STEP);
    let mut found = None;
    // All are computed, whichever it is: the time tells nothing.
    for step in present.saturating_sub(SKEW)..=present.saturating_add(SKEW) {
        if digest::equal(code(secret, step).as_bytes(), shown.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

/// RFC 4226 section 5.3.
fn code(secret: &[u8], step: i64) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let cut = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    let number = u32::from_be_bytes(cut) & 0x7fff_ffff;
    Zeroizing::new(format!("{:06}", number % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    // RFC 6238 appendix B, whose codes have eight digits: ours are the last six.
    // proves: ID-17
    #[test]
    fn the_codes_are_rfc_6238s() {
        for (seconds, code_of_eight) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code(SECRET, seconds / STEP).as_str(), &code_of_eight[2..], "{seconds}");
            assert_eq!(
                step_of(SECRET, &code_of_eight[2..], Timestamp::from_secs(seconds)),
                Some(seconds / STEP)
            );
        }
    }

    // proves: ID-17
    #[test]
    fn a_clock_may_be_one_step_off_and_no_more() {
        let now = 1_111_111_110;
        let shown = code(SECRET, now / STEP);
        for (off, taken) in
            [(-31, false), (-30, true), (0, true), (30, true), (59, true), (60, false), (-60, false)]
        {
            let at = Timestamp::from_secs(now + off);
            assert_eq!(step_of(SECRET, &shown, at).is_some(), taken, "{off}");
        }
        let spaced = format!("{} {}", &shown[..3], &shown[3..]);
        assert!(step_of(SECRET, &spaced, Timestamp::from_secs(now)).is_some());
        for bad in ["", "000000", "1", &format!("{}0", shown.as_str()), "\u{661}23456"] {
            assert_eq!(step_of(SECRET, bad, Timestamp::from_secs(now)), None, "{bad}");
        }
    }

    #[test]
    fn no_name_can_change_the_address() {
        let uri = uri("A: B&secret=x", "ann@example.com?issuer=evil", SECRET);
        let secret = BASE32_NOPAD.encode(SECRET);
        assert_eq!(
            uri.as_str(),
            format!(
                "otpauth://totp/A%20%20B%26secret%3Dx:ann%40example.com%3Fissuer%3Devil?secret={secret}\
                 &issuer=A%20%20B%26secret%3Dx&algorithm=SHA1&digits=6&period=30"
            )
        );
        assert_eq!(readable(b"12345").as_str(), "GEZD GNBV");
    }
}
