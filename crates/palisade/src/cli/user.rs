//! `palisade user`: users, by whoever may read the policy's secrets and its store.
//!
//! The server may run meanwhile: it sees each change within a second. Every change has its row in the audit trail.

use palisade_access::{Access, NewUser as Wanted};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Secret, TenantId};
use palisade_policy::Policy;
use palisade_store::{Reach, Session, Store, User};
use serde_json::{Value, json};

use super::args::{Format, NewUser, UserCommand};
use super::context::{self, Context, find, refusal_failure, store_failure};
use super::failure::{Failure, Outcome};
use super::revoke;
use super::terminal::{Terminal, line, table, visible, when};

/// How many users are read at a time.
const PAGE: u32 = 500;

/// Does what the command says.
pub(super) fn run(context: &Context, command: UserCommand, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    context::block_on(async {
        match command {
            UserCommand::List { format } => {
                let store = context::open_store(&policy, &world, false).await?;
                list(&store, format, *terminal).await?;
                store.close().await;
            }
            UserCommand::Show { user, format } => {
                let store = context::open_store(&policy, &world, false).await?;
                let user = find(&store, &user).await?;
                show(&user, format, *terminal);
                store.close().await;
            }
            UserCommand::Sessions { user, format } => {
                let (access, store) = context::open_access(policy.clone(), world).await?;
                let user = find(&store, &user).await?;
                let live = access.live_sessions(user.id).await.map_err(refusal_failure)?;
                sessions(&live, format, *terminal);
                store.close().await;
            }
            changing => {
                let (access, store) = context::open_access(policy.clone(), world).await?;
                change(&Office { access, store: store.clone(), policy }, changing, *terminal).await?;
                store.close().await;
            }
        }
        Ok(Outcome::Good)
    })
}

/// What changing a user needs.
struct Office {
    access: Access,
    store: Store,
    policy: Policy,
}

async fn change(office: &Office, command: UserCommand, terminal: Terminal) -> Result<(), Failure> {
    let origin = Origin::default();
    let Office { access, store, .. } = office;
    match command {
        UserCommand::Add(new) => add(office, new, terminal).await,
        UserCommand::Disable { user } => {
            let user = find(store, &user).await?;
            access.disable(user.id, None, &origin).await.map_err(refusal_failure)?;
            line(format_args!(
                "{} is disabled; every session and token of theirs has ended.",
                visible(&user.name)
            ));
            Ok(())
        }
        UserCommand::Enable { user } => {
            let user = find(store, &user).await?;
            access.enable(user.id, None, &origin).await.map_err(refusal_failure)?;
            line(format_args!("{} is enabled.", visible(&user.name)));
            Ok(())
        }
        UserCommand::SetRoles { user, roles, .. } => {
            known_roles(&office.policy, &roles)?;
            let user = find(store, &user).await?;
            access.set_roles(user.id, &roles, None, &origin).await.map_err(refusal_failure)?;
            line(format_args!("{} has these roles now: {}.", visible(&user.name), named(&roles)));
            Ok(())
        }
        UserCommand::SetTenant { user, tenant, .. } => {
            let tenant = tenant_named(tenant.as_deref())?;
            let user = find(store, &user).await?;
            access.set_tenant(user.id, tenant.as_ref(), None, &origin).await.map_err(refusal_failure)?;
            let now = tenant.map_or_else(|| "no tenant".to_owned(), |tenant| format!("the tenant {tenant}"));
            line(format_args!("{} is in {now} now.", visible(&user.name)));
            Ok(())
        }
        UserCommand::Email { user, address } => {
            let user = find(store, &user).await?;
            access.set_email(user.id, &address, None, &origin).await.map_err(refusal_failure)?;
            line(format_args!("{} has the address {} now.", visible(&user.name), visible(address.trim())));
            Ok(())
        }
        UserCommand::EndSessions { user } => {
            let user = find(store, &user).await?;
            let ended =
                access.revoke_access(&Reach::User(user.id), &origin).await.map_err(refusal_failure)?;
            line(format_args!(
                "{} is signed out everywhere: {}.",
                visible(&user.name),
                revoke::counted(&ended)
            ));
            Ok(())
        }
        UserCommand::ResetFactors { user } => {
            let user = find(store, &user).await?;
            access.reset_factors(user.id, None, &origin).await.map_err(refusal_failure)?;
            line(format_args!(
                "{} has no second factor any more; every session and token of theirs has ended.",
                visible(&user.name)
            ));
            Ok(())
        }
        UserCommand::Link { user } => {
            let user = find(store, &user).await?;
            link(office, user.id, &user.name).await
        }
        UserCommand::List { .. } | UserCommand::Show { .. } | UserCommand::Sessions { .. } => Ok(()),
    }
}

async fn add(office: &Office, new: NewUser, terminal: Terminal) -> Result<(), Failure> {
    known_roles(&office.policy, &new.roles)?;
    let tenant = tenant_named(new.tenant.as_deref())?;
    let password = if new.password_stdin {
        Some(Terminal::piped_secret().map_err(|error| {
            Failure::usage(format_args!("no password could be read: {error}"))
                .remedy("write it to standard input, on one line")
        })?)
    } else if new.link || !terminal.asks {
        None
    } else {
        Some(ask(terminal)?)
    };
    let by_link = password.is_none();
    let roles = if new.roles.is_empty() { None } else { Some(new.roles) };
    let wanted = Wanted {
        name: new.name.clone(),
        email: new.email,
        email_verified: new.email_verified,
        tenant,
        roles,
        password,
    };
    let id = office.access.create_user(wanted, None, &Origin::default()).await.map_err(refusal_failure)?;
    line(format_args!("Added {}.", visible(&new.name)));
    if by_link { link(office, id, &new.name).await } else { Ok(()) }
}

/// The link is the only thing on standard output that is worth keeping, and it is never shown again.
async fn link(office: &Office, id: UserId, name: &str) -> Result<(), Failure> {
    let token = office.access.issue_link(id, None, &Origin::default()).await.map_err(refusal_failure)?;
    line(format_args!("{}/auth/link/{}", office.policy.app.base_url.origin, token.expose()));
    eprintln!(
        "Hand this link to {} in private: it sets a password, works once and is not shown again.",
        visible(name)
    );
    Ok(())
}

fn ask(terminal: Terminal) -> Result<Secret, Failure> {
    let unheard = |error| {
        Failure::usage(format_args!("no password could be read: {error}"))
            .remedy("use --link, and let the user set it")
    };
    let first = terminal.ask_secret("Password").map_err(unheard)?;
    let second = terminal.ask_secret("The same again").map_err(unheard)?;
    if first != second {
        return Err(Failure::usage("the two passwords differ").remedy("try again, or use --link"));
    }
    Ok(first)
}

fn sessions(sessions: &[Session], format: Format, terminal: Terminal) {
    if format == Format::Json {
        let list = sessions.iter().map(|session| {
            json!({
                "id": session.id.to_string(),
                "created_at": session.created_at.to_string(),
                "last_seen_at": session.last_seen.to_string(),
                "expires_at": session.expires_at.to_string(),
                "address": session.address,
                "agent": session.agent,
            })
        });
        line(format_args!("{:#}", list.collect::<Value>()));
        return;
    }
    if sessions.is_empty() {
        line("No session is live.");
    }
    for session in sessions {
        line(format_args!(
            "{}  last seen {}",
            terminal.bold(&session.id.to_string()),
            when(session.last_seen)
        ));
        line(format_args!(
            "  from {} with {}",
            session.address.as_deref().unwrap_or("an unknown address"),
            session.agent.as_deref().map_or_else(|| "an unknown agent".to_owned(), visible)
        ));
    }
}

fn known_roles(policy: &Policy, roles: &[String]) -> Result<(), Failure> {
    match roles.iter().find(|role| policy.roles.index(role).is_none()) {
        None => Ok(()),
        Some(unknown) => Err(Failure::usage(format_args!("the policy has no role '{}'", visible(unknown)))
            .remedy(format_args!("it has: {}", policy.roles.names().join(", ")))),
    }
}

fn tenant_named(text: Option<&str>) -> Result<Option<TenantId>, Failure> {
    let parse = |text| {
        TenantId::parse(text).ok_or_else(|| {
            Failure::usage("the tenant is not well formed")
                .remedy("use letters, digits, '_' and '-', at most 64")
        })
    };
    text.map(parse).transpose()
}

async fn list(store: &Store, format: Format, terminal: Terminal) -> Result<(), Failure> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = store.users(users.last().map(|user| user.id), PAGE).await.map_err(store_failure)?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    if format == Format::Json {
        line(format_args!("{:#}", users.iter().map(as_json).collect::<Value>()));
        return Ok(());
    }
    if users.is_empty() {
        line("There are no users yet. 'palisade user add NAME' makes one.");
        return Ok(());
    }
    let rows: Vec<[String; 4]> = users.iter().map(row).collect();
    table(terminal, ["NAME", "E-MAIL", "ROLES", "STATE"], &rows);
    Ok(())
}

fn row(user: &User) -> [String; 4] {
    [
        visible(&user.name),
        user.email.as_deref().map_or_else(|| "-".to_owned(), visible),
        named(&user.roles),
        state(user).to_owned(),
    ]
}

const fn state(user: &User) -> &'static str {
    match (user.enabled, user.password.is_some()) {
        (false, _) => "disabled",
        (true, true) => "enabled",
        (true, false) => "no password yet",
    }
}

fn named(roles: &[String]) -> String {
    if roles.is_empty() { "none".to_owned() } else { visible(&roles.join(",")) }
}

fn show(user: &User, format: Format, terminal: Terminal) {
    if format == Format::Json {
        line(format_args!("{:#}", as_json(user)));
        return;
    }
    let tenant = user.tenant.as_ref().map_or("-", TenantId::as_str);
    let password = user.password_at.map_or_else(|| "never".to_owned(), when);
    for (label, value) in [
        ("Name", visible(&user.name)),
        ("Id", user.id.to_string()),
        ("E-mail", user.email.as_deref().map_or_else(|| "-".to_owned(), |email| address(email, user))),
        ("Tenant", tenant.to_owned()),
        ("Roles", named(&user.roles)),
        ("State", state(user).to_owned()),
        ("Made", when(user.created_at)),
        ("Password set", password),
    ] {
        line(format_args!("{}  {value}", terminal.bold(&format!("{label:12}"))));
    }
}

fn address(email: &str, user: &User) -> String {
    let confirmed = if user.email_verified_at.is_some() { "" } else { " (not confirmed)" };
    format!("{}{confirmed}", visible(email))
}

/// Never the password's hash.
fn as_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "name": user.name,
        "email": user.email,
        "email_verified_at": user.email_verified_at.map(|at| at.to_string()),
        "tenant": user.tenant.as_ref().map(TenantId::as_str),
        "roles": user.roles,
        "enabled": user.enabled,
        "has_password": user.password.is_some(),
        "created_at": user.created_at.to_string(),
        "password_at": user.password_at.map(|at| at.to_string()),
    })
}
