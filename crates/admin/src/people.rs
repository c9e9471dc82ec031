//! Domains, accounts and aliases as resources. The crate `directory` judges all changes; they hold before the answer goes out.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared, rejection::PathRejection},
    routing::{delete, get, post},
};
use directory::{
    AccountConfig, AliasConfig, AppPassword, DomainConfig, Kept, Listed, ListedAccount, NewAccount,
    NewPassword, People, PeopleError, Rights, Scope, Secret,
};
use mail::Timestamp;
use store::StoreError;

use crate::{
    Control, Problem, api,
    query::{self, Body},
    routes::Answer,
};

pub(crate) type Segment = Result<Path<String>, PathRejection>;

pub(crate) fn router() -> Router<Control> {
    Router::new()
        .route("/v1/domains", get(domains).post(add_domain))
        .route("/v1/domains/{name}", delete(remove_domain))
        .route("/v1/accounts", get(accounts).post(add_account))
        .route("/v1/accounts/{login}", get(account).delete(remove_account))
        .route("/v1/accounts/{login}/password", post(set_password))
        .route("/v1/accounts/{login}/change", post(change_account))
        .route("/v1/accounts/{login}/disable", post(disable))
        .route("/v1/accounts/{login}/enable", post(enable))
        .route("/v1/accounts/{login}/app-passwords", get(app_passwords).post(add_app_password))
        .route("/v1/accounts/{login}/app-passwords/{id}", delete(remove_app_password))
        .route("/v1/aliases", get(aliases).post(add_alias))
        .route("/v1/aliases/{address}", delete(remove_alias))
}

async fn domains(Shared(control): Shared<Control>) -> Json<api::Domains> {
    let domains = control.people.everyone().await.domains;
    Json(api::Domains { domains: domains.into_iter().map(domain).collect() })
}

async fn add_domain(Shared(control): Shared<Control>, body: Body<api::NewDomain>) -> Answer<api::Done> {
    let api::NewDomain { name, catch_all, subaddress } = query::body(body)?;
    let domain = DomainConfig { name: name.clone(), catch_all, subaddress };
    let done = change(&control, |people| async move { people.add_domain(domain).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn remove_domain(Shared(control): Shared<Control>, name: Segment) -> Answer<api::Done> {
    let name = segment(name)?;
    let meant = name.clone();
    let done = change(&control, |people| async move { people.remove_domain(&meant).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn accounts(Shared(control): Shared<Control>) -> Json<api::Accounts> {
    let accounts = control.people.everyone().await.accounts;
    Json(api::Accounts { accounts: accounts.into_iter().map(shown).collect() })
}

async fn account(Shared(control): Shared<Control>, login: Segment) -> Answer<api::Account> {
    found(&control, &segment(login)?).await.map(Json)
}

/// One account, by any spelling of its login.
async fn found(control: &Control, login: &str) -> Result<api::Account, Problem> {
    let meant = directory::spelling(login);
    let accounts = control.people.everyone().await.accounts;
    let found = accounts.into_iter().find(|(account, _)| directory::spelling(&account.entry.login) == meant);
    let missing = || refusal(&PeopleError::Unknown { what: "account", name: login.to_owned() });
    found.map(shown).ok_or_else(missing)
}

async fn add_account(Shared(control): Shared<Control>, body: Body<api::NewAccount>) -> Answer<api::Account> {
    let api::NewAccount { login, addresses, roles, password, hash } = query::body(body)?;
    let password = new_password(password, hash)?;
    let new = NewAccount { login: login.clone(), addresses, roles, password };
    let now = now(&control);
    change(&control, |people| async move { people.add_account(new, now).await }).await?;
    found(&control, &login).await.map(Json)
}

async fn remove_account(Shared(control): Shared<Control>, login: Segment) -> Answer<api::Done> {
    let name = segment(login)?;
    let meant = name.clone();
    let done = change(&control, |people| async move { people.remove_account(&meant).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn set_password(
    Shared(control): Shared<Control>,
    login: Segment,
    body: Body<api::NewPassword>,
) -> Answer<api::Account> {
    let (login, api::NewPassword { password, hash }) = (segment(login)?, query::body(body)?);
    let password = new_password(password, hash)?;
    let password = password.ok_or_else(|| Problem::bad_request("give a `password` or a `hash`"))?;
    let meant = login.clone();
    change(&control, |people| async move { people.set_password(&meant, password).await }).await?;
    found(&control, &login).await.map(Json)
}

async fn change_account(
    Shared(control): Shared<Control>,
    login: Segment,
    body: Body<api::AccountChange>,
) -> Answer<api::Account> {
    let (login, wanted) = (segment(login)?, query::body(body)?);
    let api::AccountChange { add_addresses, remove_addresses, add_roles, remove_roles } = wanted;
    let rights = Rights { add_addresses, remove_addresses, add_roles, remove_roles };
    let meant = login.clone();
    change(&control, |people| async move { people.change_rights(&meant, &rights).await }).await?;
    found(&control, &login).await.map(Json)
}

async fn disable(control: Shared<Control>, login: Segment) -> Answer<api::Account> {
    set_disabled(control, login, true).await
}

async fn enable(control: Shared<Control>, login: Segment) -> Answer<api::Account> {
    set_disabled(control, login, false).await
}

async fn set_disabled(
    Shared(control): Shared<Control>,
    login: Segment,
    disabled: bool,
) -> Answer<api::Account> {
    let login = segment(login)?;
    let meant = login.clone();
    change(&control, |people| async move { people.set_disabled(&meant, disabled).await }).await?;
    found(&control, &login).await.map(Json)
}

async fn app_passwords(Shared(control): Shared<Control>, login: Segment) -> Answer<Vec<api::AppPassword>> {
    found(&control, &segment(login)?).await.map(|account| Json(account.app_passwords))
}

async fn add_app_password(
    Shared(control): Shared<Control>,
    login: Segment,
    body: Body<api::NewAppPassword>,
) -> Answer<api::MadeAppPassword> {
    let (login, api::NewAppPassword { name, scopes }) = (segment(login)?, query::body(body)?);
    let scope = |word: &String| {
        let wrong = || Problem::bad_request(format!("scopes: `{word}` is none of smtp, imap, pop3, api"));
        Scope::parse(word).ok_or_else(wrong)
    };
    let scopes: Vec<Scope> = scopes.iter().map(scope).collect::<Result<_, _>>()?;
    let now = now(&control);
    let make = |people: Arc<People>| async move { people.add_app_password(&login, &name, scopes, now).await };
    let (made, words) = change(&control, make).await?;
    Ok(Json(api::MadeAppPassword { app_password: app_password(&made), password: api::Secret::new(words) }))
}

async fn remove_app_password(
    Shared(control): Shared<Control>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer<api::Done> {
    let Path((login, id)) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let name = id.clone();
    let done = change(&control, |people| async move { people.remove_app_password(&login, &id).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn aliases(Shared(control): Shared<Control>) -> Json<api::Aliases> {
    let aliases = control.people.everyone().await.aliases;
    Json(api::Aliases { aliases: aliases.into_iter().map(alias).collect() })
}

async fn add_alias(Shared(control): Shared<Control>, body: Body<api::NewAlias>) -> Answer<api::Done> {
    let api::NewAlias { address, to } = query::body(body)?;
    let (name, alias) = (address.clone(), AliasConfig { address, to });
    let done = change(&control, |people| async move { people.add_alias(alias).await });
    done.await.map(|()| Json(api::Done { name }))
}

async fn remove_alias(Shared(control): Shared<Control>, address: Segment) -> Answer<api::Done> {
    let name = segment(address)?;
    let meant = name.clone();
    let done = change(&control, |people| async move { people.remove_alias(&meant).await });
    done.await.map(|()| Json(api::Done { name }))
}

/// Makes a change in a task of its own, which goes on to its end when the client goes away: half of one would be in the store and not hold.
pub(crate) async fn change<T, F>(control: &Control, make: impl FnOnce(Arc<People>) -> F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PeopleError>> + Send + 'static,
{
    let made = tokio::spawn(make(Arc::clone(&control.people))).await;
    made.map_err(|error| Problem::internal(error.to_string()))?.map_err(|error| refusal(&error))
}

pub(crate) fn refusal(error: &PeopleError) -> Problem {
    let detail = error.to_string();
    let problem = match error {
        PeopleError::Wrong(_) | PeopleError::Invalid(_) => Problem::bad_request(detail),
        PeopleError::Unknown { .. } => Problem::not_found(detail),
        PeopleError::Taken { .. } | PeopleError::Needed { .. } | PeopleError::Declared { .. } => {
            Problem::conflict(detail)
        }
        PeopleError::Store(StoreError::Conflict) => Problem::conflict(detail),
        PeopleError::NotHashed
        | PeopleError::Store(StoreError::Full | StoreError::Busy | StoreError::Closed) => {
            Problem::unavailable(detail)
        }
        PeopleError::Store(_) => Problem::internal(detail),
    };
    problem.hint(error.hint())
}

fn new_password(
    password: Option<api::Secret>,
    hash: Option<api::Secret>,
) -> Result<Option<NewPassword>, Problem> {
    let secret = |text: &api::Secret| Secret::new(text.expose());
    match (password, hash) {
        (Some(_), Some(_)) => Err(Problem::bad_request("give a `password` or a `hash`, not both")),
        (Some(password), None) => Ok(Some(NewPassword::Plain(secret(&password)))),
        (None, Some(hash)) => Ok(Some(NewPassword::Hash(secret(&hash)))),
        (None, None) => Ok(None),
    }
}

pub(crate) fn segment(segment: Segment) -> Result<String, Problem> {
    segment.map(|Path(text)| text).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

fn now(control: &Control) -> i64 {
    i64::try_from(control.clock.now().as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> String {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)).to_string()
}

pub(crate) fn source(kept: Kept) -> api::Source {
    match kept {
        Kept::InFile => api::Source::Configuration,
        Kept::InStore => api::Source::Store,
    }
}

fn domain(Listed { entry, kept, left_out }: Listed<DomainConfig>) -> api::Domain {
    let DomainConfig { name, catch_all, subaddress } = entry;
    let subaddress = subaddress.unwrap_or_else(|| "+".to_owned());
    api::Domain { name, catch_all, subaddress, source: source(kept), left_out }
}

fn shown((Listed { entry, kept, left_out }, created): ListedAccount) -> api::Account {
    let AccountConfig { login, addresses, password, scram, app_passwords, roles, disabled, .. } = entry;
    let is_plain = password.as_ref().is_some_and(|password| password.is_password() == Ok(true));
    api::Account {
        login,
        addresses,
        roles,
        disabled,
        has_password: password.is_some(),
        has_scram: is_plain || scram.is_some(),
        app_passwords: app_passwords.iter().map(app_password).collect(),
        source: source(kept),
        created_at: created.map(time),
        left_out,
    }
}

fn app_password(app: &AppPassword) -> api::AppPassword {
    api::AppPassword {
        id: app.id.to_string(),
        name: app.name.to_string(),
        scopes: app.scopes.iter().map(ToString::to_string).collect(),
        created_at: app.created.map(time),
        last_used_at: app.last_used.map(time),
    }
}

fn alias(Listed { entry, kept, left_out }: Listed<AliasConfig>) -> api::Alias {
    let AliasConfig { address, to } = entry;
    api::Alias { address, to, source: source(kept), left_out }
}
