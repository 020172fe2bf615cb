//! Order, stock, points: three services that know only topics: `shop URL`.
use tidewire_tokio::{Client, Error, Result, connect};

/// Takes each order, and says what is left.
async fn stock(client: Client) -> Result<()> {
    let mut orders = client.subscribe("shop/orders").manual_ack().await?;
    client.publish("shop/ready", "stock").await?;
    let mut left = 10;
    while let Some(order) = orders.next().await {
        left -= order.text()?.parse::<u32>().unwrap_or_default();
        client.publish("shop/stock", left.to_string()).retain(true).await?;
        // Only now: if this service had failed before, the order would come again.
        order.ack();
    }
    Ok(())
}

/// Three points for each piece.
async fn points(client: Client) -> Result<()> {
    let mut orders = client.subscribe("shop/orders").await?;
    client.publish("shop/ready", "points").await?;
    let mut points = 0;
    while let Some(order) = orders.next().await {
        points += 3 * order.text()?.parse::<u32>().unwrap_or_default();
        client.publish("shop/points", points.to_string()).retain(true).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mqtt://localhost".into());
    let shop = connect(&url).await?;
    let mut ready = shop.subscribe("shop/ready").await?;
    for service in ["stock", "points"] {
        let client = connect(&url).client_id(service).await?;
        tokio::spawn(
            async move { if service == "stock" { stock(client).await } else { points(client).await } },
        );
        ready.next().await.expect("it goes on");
    }
    let mut all = shop.subscribe_all(["shop/stock", "shop/points"]).await?;
    for pieces in [1, 2, 3] {
        shop.publish("shop/orders", pieces.to_string()).await?;
    }
    let (mut left, mut points) = (String::new(), String::new());
    while (left.as_str(), points.as_str()) != ("4", "18") {
        let message = all.next().await.ok_or_else(|| all.end().unwrap_or(Error::TimedOut))?;
        let kept = if message.topic.as_str() == "shop/stock" { &mut left } else { &mut points };
        *kept = message.text()?.into_owned();
    }
    println!("{left} left, {points} points");
    for topic in ["shop/stock", "shop/points"] {
        shop.publish(topic, "").retain(true).await?;
    }
    shop.disconnect().await
}
