//! A service, and who asks it: `request_async_std URL`.
use tidewire_async_std::{Duration, Error, Result, connect};

#[async_std::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).await?;
    let (service, mut questions) = (client.clone(), client.subscribe("math/double").await?);
    async_std::task::spawn(async move {
        while let Some(question) = questions.next().await {
            let n: i64 = question.text()?.parse().unwrap_or_default();
            service.reply(&question, (2 * n).to_string()).await?;
        }
        Ok::<_, Error>(())
    });
    let answer = client.request("math/double", "21").timeout(Duration::from_secs(2)).await?;
    println!("{}", answer.text()?);
    client.disconnect().await
}
