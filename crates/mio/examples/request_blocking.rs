//! A service, and who asks it: `request_blocking URL`.
use tidewire_mio::{Duration, Error, Result, Wait, connect};

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let client = connect(url).wait()?;
    let (service, mut questions) = (client.clone(), client.subscribe("math/double").wait()?);
    std::thread::spawn(move || {
        while let Some(question) = questions.next().wait() {
            let n: i64 = question.text()?.parse().unwrap_or_default();
            service.reply(&question, (2 * n).to_string()).wait()?;
        }
        Ok::<_, Error>(())
    });
    let answer = client.request("math/double", "21").timeout(Duration::from_secs(2)).wait()?;
    println!("{}", answer.text()?);
    client.disconnect().wait()
}
