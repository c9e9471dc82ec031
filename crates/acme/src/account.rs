//! Our account with the authority: opened if there is one, else made.

use instant_acme::{Account, ExternalAccountKey, NewAccount};

use crate::{
    client::Client,
    config::{Config, ExternalAccount},
    failure::Failure,
    store::{KeptAccount, Store, StoreError},
};

/// Opens the account that is kept, or makes one and keeps it.
pub(crate) async fn open(config: &Config, store: &Store, https: &Client) -> Result<Account, Failure> {
    match on_disk(store, config, |store, config| store.account(&config.directory)).await? {
        Some(kept) => reopen(config, store, https, kept).await,
        None => make(config, store, https).await,
    }
}

async fn reopen(
    config: &Config,
    store: &Store,
    https: &Client,
    kept: KeptAccount,
) -> Result<Account, Failure> {
    let KeptAccount { contact, credentials } = kept;
    // The credentials are handed over; those to keep are read out of a copy.
    let copy = serde_json::to_vec(&credentials).ok();
    let account = Account::builder_with_http(Box::new(https.clone())).from_credentials(credentials).await?;
    if contact != config.contact {
        let urls = urls(config);
        account.update_contacts(&urls.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        if let Some(credentials) = copy.and_then(|copy| serde_json::from_slice(&copy).ok()) {
            let kept = KeptAccount { contact: config.contact.clone(), credentials };
            on_disk(store, config, move |store, config| store.keep_account(&config.directory, &kept)).await?;
        }
    }
    Ok(account)
}

async fn make(config: &Config, store: &Store, https: &Client) -> Result<Account, Failure> {
    let urls = urls(config);
    let contact: Vec<&str> = urls.iter().map(String::as_str).collect();
    // Without the operator's word for it there is no configuration.
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = config.external_account.as_ref();
    let external = external.map(|ExternalAccount { id, key }| ExternalAccountKey::new(id.clone(), key));
    let builder = Account::builder_with_http(Box::new(https.clone()));
    let (account, credentials) = builder.create(&new, config.directory.clone(), external.as_ref()).await?;
    let kept = KeptAccount { contact: config.contact.clone(), credentials };
    on_disk(store, config, move |store, config| store.keep_account(&config.directory, &kept)).await?;
    tracing::info!(station = "tls/acme", account = account.id(), "account made with the authority");
    Ok(account)
}

fn urls(config: &Config) -> Vec<String> {
    config.contact.iter().map(|address| format!("mailto:{address}")).collect()
}

/// Does something with the store on a thread that may wait for the disk.
pub(crate) async fn on_disk<T: Send + 'static>(
    store: &Store,
    config: &Config,
    act: impl FnOnce(&Store, &Config) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let (store, config) = (store.clone(), config.clone());
    let done = tokio::task::spawn_blocking(move || act(&store, &config)).await;
    let done = done.map_err(|error| Failure::new(error.to_string()))?;
    done.map_err(|error| Failure::new(error.to_string()))
}
