//! `[authorize]`: roles.

/// A set of roles: at most 64, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleSet(u64);

impl RoleSet {
    /// No role.
    pub const EMPTY: Self = Self(0);

    /// The set with the role of that index alone; empty beyond the 64th.
    #[must_use]
    pub const fn of(index: usize) -> Self {
        if index < 64 { Self(1 << index) } else { Self(0) }
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a role.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the role of that index is in it.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        self.meets(Self::of(index))
    }
}

/// All roles of the policy and what each includes (ACC-1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Name of each role, by index.
    names: Vec<String>,
    /// Of each role: itself and all that it includes, however deep.
    closure: Vec<RoleSet>,
}

impl Roles {
    /// From names and what each includes directly. The caller has checked that there are at most 64
    /// and no cycles.
    #[must_use]
    pub fn new(roles: Vec<(String, Vec<usize>)>) -> Self {
        let mut closure: Vec<RoleSet> = (0..roles.len()).map(RoleSet::of).collect();
        for _ in 0..roles.len() {
            let before = closure.clone();
            for (set, (_, includes)) in closure.iter_mut().zip(&roles) {
                for included in includes {
                    *set = set.with(before.get(*included).copied().unwrap_or_default());
                }
            }
        }
        Self { names: roles.into_iter().map(|(name, _)| name).collect(), closure }
    }

    /// The index of the role of that name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// A role with all that it includes; empty for an unknown name: a role that the policy dropped gives nothing.
    #[must_use]
    pub fn expand(&self, name: &str) -> RoleSet {
        self.index(name).and_then(|index| self.closure.get(index)).copied().unwrap_or_default()
    }

    /// Several roles with all that they include.
    #[must_use]
    pub fn expand_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> RoleSet {
        names.into_iter().fold(RoleSet::EMPTY, |set, name| set.with(self.expand(name)))
    }

    /// The names in a set, in the order of the policy.
    pub fn names_of(&self, set: RoleSet) -> impl Iterator<Item = &str> {
        self.names.iter().enumerate().filter(move |(i, _)| set.has(*i)).map(|(_, name)| name.as_str())
    }

    /// Every role's name, in the order of the policy.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, signed in or not: said on purpose.
    Public,
    /// Anybody who is signed in.
    SignedIn,
    /// Whoever has one of these roles, directly or by inclusion.
    Roles(RoleSet),
    /// Nobody: what a route means that names nobody (ACC-1).
    Nobody,
}

/// `allow`, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// For GET, HEAD and OPTIONS.
    pub read: Who,
    /// For every other method.
    pub write: Who,
}
