//! The edge over a store in memory: one member, no consensus, nothing kept. For trying a client by hand:
//! `cargo run -p synod-server --example memory_server -- 127.0.0.1:2379`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::sync::Arc;

use synod_server::http::{Listener, Options, serve};
use synod_server::metrics::Metrics;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2379".to_owned());
    let listener = Listener::bind(address.parse()?, None)?;
    println!("listening on {}", listener.address()?);
    let shutdown = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(vec![listener], support::Memory::new(), Arc::new(Metrics::new()), Options::default(), shutdown)
        .await;
    Ok(())
}
