//! The mailboxes of accounts as resources: looked at, bounded, brought in and taken out.

mod export;
mod import;

use axum::{
    Json, Router,
    extract::{Path, State as Shared, rejection::PathRejection},
    routing::{get, post},
};
use mail::Address;
use mailstore::{AccountId, Finding, Mailstore, MailstoreError, Quota};
use store::StoreError;

use crate::{
    Control, Problem, api,
    query::{self, Body},
    routes::Answer,
};

type Segment = Result<Path<String>, PathRejection>;

pub(crate) fn router() -> Router<Control> {
    Router::new()
        .route("/v1/accounts/{login}/mailboxes", get(list).delete(remove))
        .route("/v1/accounts/{login}/mailboxes/quota", post(set_quota))
        .route("/v1/accounts/{login}/mailboxes/import", post(import::import))
        .route("/v1/accounts/{login}/mailboxes/imported", post(import::imported))
        .route("/v1/accounts/{login}/mailboxes/make", post(import::make))
        .route("/v1/accounts/{login}/mailboxes/fingerprints", get(export::fingerprints))
        .route("/v1/accounts/{login}/mailboxes/export", get(export::export))
        .route("/v1/mailboxes/verify", post(verify))
        .route("/v1/mailboxes/rebuild", post(rebuild))
}

async fn list(Shared(control): Shared<Control>, login: Segment) -> Answer<api::Mailboxes> {
    let owner = Owner::find(&control, login)?;
    look(move || owner.list()).await.map(Json)
}

/// Not of an account that there is: sessions and mail on its way count on its mailboxes.
async fn remove(Shared(control): Shared<Control>, login: Segment) -> Answer<api::Done> {
    let owner = Owner::find(&control, login)?;
    if owner.exists {
        return Err(Problem::conflict(format!("there is an account {}", owner.name))
            .hint("remove the account first: `postrider account remove`, or in the configuration file"));
    }
    let found = owner.clone();
    let account = look(move || found.found()?.ok_or(MailstoreError::NoAccount)).await?;
    let removed = owner.mailstore.remove_account(account, now(&control)).await;
    removed.map_err(|error| refusal(&error))?;
    tracing::info!(station = "admin", account = %owner.name, "all mail of a former account was removed by hand");
    Ok(Json(api::Done { name: owner.name }))
}

async fn set_quota(
    Shared(control): Shared<Control>,
    login: Segment,
    body: Body<api::QuotaChange>,
) -> Answer<api::Mailboxes> {
    let (owner, wanted) = (Owner::find(&control, login)?, query::body(body)?);
    if wanted == api::QuotaChange::default() {
        return Err(Problem::bad_request("give `octets` or `messages`"));
    }
    let account = owner.made(now(&control)).await?;
    let mailstore = owner.mailstore.clone();
    let before = look(move || mailstore.quota(account)).await?;
    let most = |wanted: Option<api::Most>, before| match wanted {
        None => before,
        Some(api::Most::None) => None,
        Some(api::Most::Most(most)) => Some(most),
    };
    let (octets, messages) =
        (most(wanted.octets, before.octets_max), most(wanted.messages, before.messages_max));
    owner.mailstore.set_quota(account, octets, messages).await.map_err(|error| refusal(&error))?;
    tracing::info!(station = "admin", account = %owner.name, ?octets, ?messages, "a quota was set by hand");
    look(move || owner.list()).await.map(Json)
}

async fn verify(Shared(control): Shared<Control>) -> Answer<api::Findings> {
    let mailstore = kept_here(&control)?;
    let findings = look(move || mailstore.verify()).await?;
    let told = |Finding { what, derived }| api::Finding { what, derived };
    Ok(Json(api::Findings { findings: findings.into_iter().map(told).collect() }))
}

async fn rebuild(Shared(control): Shared<Control>) -> Answer<api::Findings> {
    let (mailstore, now) = (kept_here(&control)?, now(&control));
    let rebuilt = mailstore.clone();
    look(move || rebuilt.rebuild_structures()).await?;
    // Asked for behind the structures, so those are kept when it is done.
    mailstore.rebuild(None, now).await.map_err(|error| refusal(&error))?;
    look(move || mailstore.rebuild_index()).await?;
    tracing::info!(station = "admin", "what is derived of mailboxes was made anew by hand");
    Ok(Json(api::Findings::default()))
}

/// Whose mailboxes are meant.
#[derive(Clone)]
struct Owner {
    mailstore: Mailstore,
    /// What the account is called in the mailstore.
    name: String,
    /// Whether there is such an account in the directory; one that is gone may have left its mail.
    exists: bool,
}

impl Owner {
    fn find(control: &Control, login: Segment) -> Result<Self, Problem> {
        let Path(login) = login.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        let mailstore = kept_here(control)?;
        let (everyone, meant) = (control.logins.directory(), directory::spelling(&login));
        let name = login.parse::<Address>().ok().and_then(|address| {
            let account = everyone.account(&address)?;
            // An address that only leads to it is no login.
            let is_login = directory::spelling(&account.login().to_string()) == meant;
            is_login.then(|| account.directory_name().to_owned())
        });
        let exists = name.is_some();
        let name = name.unwrap_or(meant);
        Ok(Self { mailstore, name, exists })
    }

    /// The account, if there is mail of it or it would get some.
    fn found(&self) -> Result<Option<AccountId>, MailstoreError> {
        match self.mailstore.find_account(&self.name)? {
            None if !self.exists => Err(MailstoreError::NoAccount),
            found => Ok(found),
        }
    }

    /// The account; made if it got no mail yet.
    async fn made(&self, now: i64) -> Result<AccountId, Problem> {
        let owner = self.clone();
        match look(move || owner.found()).await? {
            Some(account) => Ok(account),
            None => self.mailstore.account(&self.name, now).await.map_err(|error| refusal(&error)),
        }
    }

    fn list(&self) -> Result<api::Mailboxes, MailstoreError> {
        let Some(account) = self.found()? else { return Ok(api::Mailboxes::default()) };
        let mailboxes = self.mailstore.mailboxes(account)?.into_iter().map(|mailbox| api::Mailbox {
            name: mailbox.name,
            special_use: mailbox.special_use.map(|special| special.attribute().to_owned()),
            messages: mailbox.messages,
            unseen: mailbox.unseen,
            octets: mailbox.octets,
        });
        let Quota { octets, messages, octets_max, messages_max } = self.mailstore.quota(account)?;
        let quota = api::Quota { octets, messages, octets_max, messages_max };
        Ok(api::Mailboxes { mailboxes: mailboxes.collect(), quota })
    }
}

fn kept_here(control: &Control) -> Result<Mailstore, Problem> {
    control.mailstore.clone().ok_or_else(|| {
        let problem = Problem::not_found("this server keeps no mailboxes");
        problem.hint("they are here with [deliver] local = \"mailstore\" in the configuration file")
    })
}

/// Reads on a thread that may wait for the disk.
async fn look<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MailstoreError> + Send + 'static,
) -> Result<T, Problem> {
    let looked = tokio::task::spawn_blocking(work).await;
    looked.map_err(|error| Problem::internal(error.to_string()))?.map_err(|error| refusal(&error))
}

fn refusal(error: &MailstoreError) -> Problem {
    let detail = error.to_string();
    match error {
        MailstoreError::NoAccount | MailstoreError::NoMailbox | MailstoreError::Gone => {
            Problem::not_found(detail)
        }
        MailstoreError::BadName(_) => Problem::bad_request(detail),
        MailstoreError::OverQuota => {
            Problem::conflict(detail).hint("see `postrider mailbox list`; `postrider mailbox quota` sets it")
        }
        MailstoreError::Exists
        | MailstoreError::Inbox
        | MailstoreError::KeywordsFull
        | MailstoreError::UidsUsedUp
        | MailstoreError::TooMany(_) => Problem::conflict(detail),
        MailstoreError::Store(store @ (StoreError::Full | StoreError::Busy | StoreError::Closed)) => {
            Problem::unavailable(detail).hint(store.hint())
        }
        MailstoreError::Store(store) => Problem::internal(detail).hint(store.hint()),
        MailstoreError::Damaged(_) => Problem::internal(detail).hint("see `postrider mailbox verify`"),
    }
}

fn now(control: &Control) -> i64 {
    i64::try_from(control.clock.now().as_millis()).unwrap_or(i64::MAX)
}
