//! `app.accent`: one colour as written, made into one for light pages and one for dark, each of which can be read.

use std::fmt;

use serde_json::{Value, json};

use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};

/// What text needs at least (WCAG 2.2, 1.4.3).
const LEGIBLE: f64 = 4.5;

/// What the accent stands on by day and by night: sheet, ground, and the ground of good news. As in palisade.css.
const BY_DAY: [Colour; 3] = [Colour(0xff, 0xff, 0xff), Colour(0xf3, 0xf5, 0xf4), Colour(0xe8, 0xf5, 0xee)];
const BY_NIGHT: [Colour; 4] =
    [Colour(0x16, 0x1d, 0x1a), Colour(0x0e, 0x13, 0x11), Colour(0x1e, 0x27, 0x23), Colour(0x13, 0x29, 0x1f)];

const WHITE: Colour = Colour(0xff, 0xff, 0xff);
const BLACK: Colour = Colour(0, 0, 0);
const NIGHT: Colour = Colour(0x0e, 0x13, 0x11);

/// A colour (sRGB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(u8, u8, u8);

impl Colour {
    /// `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self(part(0)?, part(2)?, part(4)?))
    }

    /// How light it is, from 0 to 1 (WCAG 2.2, relative luminance).
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// How well one can be told from the other, from 1 to 21 (WCAG 2.2, contrast ratio).
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// So many hundredths of the way to another.
    fn towards(self, other: Self, hundredths: u16) -> Self {
        let part = |from: u8, to: u8| {
            let mixed = u16::from(from) * (100 - hundredths) + u16::from(to) * hundredths;
            u8::try_from(mixed / 100).unwrap_or(u8::MAX)
        };
        Self(part(self.0, other.0), part(self.1, other.1), part(self.2, other.2))
    }

    /// The least contrast with any of these.
    fn least(self, grounds: &[Self]) -> f64 {
        grounds.iter().map(|ground| self.contrast(*ground)).fold(f64::INFINITY, f64::min)
    }

    /// The first on the way to `end` that can be read on all of these.
    fn legible(self, grounds: &[Self], end: Self) -> Self {
        let steps = (0..=100).map(|step| self.towards(end, step));
        steps.into_iter().find(|colour| colour.least(grounds) >= LEGIBLE).unwrap_or(end)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// What one kind of page is coloured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shades {
    /// Buttons and links.
    pub accent: Colour,
    /// The same under a pointer.
    pub strong: Colour,
    /// Words on it.
    pub on: Colour,
}

/// The accent as written, and as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent {
    /// As written.
    pub written: Colour,
    /// On light pages.
    pub light: Shades,
    /// On dark ones.
    pub dark: Shades,
}

impl Accent {
    /// What becomes of a colour.
    #[must_use]
    pub fn of(written: Colour) -> Self {
        let light = written.legible(&BY_DAY, BLACK);
        let dark = written.legible(&BY_NIGHT, WHITE);
        Self {
            written,
            light: Shades { accent: light, strong: light.towards(BLACK, 25), on: WHITE },
            dark: Shades { accent: dark, strong: dark.towards(WHITE, 30), on: NIGHT },
        }
    }

    /// Its contrast on light pages as it was written.
    #[must_use]
    pub fn by_day(&self) -> f64 {
        self.written.least(&BY_DAY)
    }
}

const TAKES: &str = "a colour such as \"#0b6549\"";

impl Kind for Accent {
    const EXAMPLE: &'static str = "#0b6549";

    fn takes() -> String {
        TAKES.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, TAKES)?;
        Colour::parse(text).map(Self::of).ok_or_else(|| {
            let help = "write six hexadecimal digits: \"#0b6549\"";
            vec![Wrong::malformed(format!("`{text}` is not a colour"), help)]
        })
    }

    fn nothing() -> Self {
        Self::of(BLACK)
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^#[0-9A-Fa-f]{6}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-1
    #[test]
    fn every_colour_can_be_read_by_day_and_by_night() {
        let parts = (0..=15).map(|part| part * 17);
        for colour in
            parts.clone().flat_map(|r| parts.clone().flat_map(move |g| (0..=15).map(move |b| (r, g, b * 17))))
        {
            let accent = Accent::of(Colour(colour.0, colour.1, colour.2));
            for (shades, grounds) in [(accent.light, &BY_DAY[..]), (accent.dark, &BY_NIGHT[..])] {
                for shade in [shades.accent, shades.strong] {
                    assert!(shade.least(grounds) >= LEGIBLE, "{} as {shade}", accent.written);
                    assert!(shade.contrast(shades.on) >= LEGIBLE, "words on {shade}");
                }
            }
        }
    }

    #[test]
    fn contrast_is_as_the_standard_has_it() {
        let grey = Colour::parse("#767676").unwrap();
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 1e-9);
        assert!((grey.contrast(WHITE) - 4.54).abs() < 0.01, "{}", grey.contrast(WHITE));
        let green = Colour::parse("#0b6549").unwrap();
        assert_eq!(Accent::of(green).light.accent, green, "as it was written");
        for wrong in ["0b6549", "#0b654", "#0b65490", "#0b654g", "#+b6549", "red", ""] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }
}
