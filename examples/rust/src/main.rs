//! Fits a line to points by steps down the gradient, and keeps how it went and what came out.

use xpstore::{Client, ErrorKind, Model, Point, Result};

const POINTS: [(f64, f64); 6] = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (4.0, 9.0), (5.0, 11.0)];

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::builder().connect().await?;
    let project = client.project("example-rust").name("Lines").open().await?;
    let experiment = project.experiment("gradient").open().await?;
    let model = experiment.model("rate=0.05").config_json(r#"{"rate": 0.05}"#).tag("line").open().await?;

    let mut run = model.run().await?;
    let (slope, offset) = match fit(&model).await {
        Ok(line) => line,
        Err(error) => {
            run.fail(&error.to_string()).await?;
            return Err(error);
        }
    };
    run.finish().await?;

    let json = format!(r#"{{"slope": {slope:.3}, "offset": {offset:.3}}}"#);
    let saved = project.upload("line").path("line.json").alias("best").link(&model).send_bytes(json).await?;
    println!("{saved:?} has {} bytes, digest {}", saved.size_bytes(), saved.digest());

    let best = project.artifact_alias("line", "best").await?;
    println!("read back: {}", String::from_utf8_lossy(&best.read("line.json").await?));

    let mut found = experiment.search("metrics.loss.last < 1", "metrics.loss.last");
    while let Some(one) = found.next().await? {
        println!("{one:?} has {} points of loss", one.points("loss").collect().await?.len());
    }
    match project.artifact("circle").await {
        Err(error) if error.kind() == ErrorKind::NotFound => println!("no circle: {:?}", error.metadata()),
        other => println!("a circle: {:?}", other?),
    }
    Ok(())
}

async fn fit(model: &Model) -> Result<(f64, f64)> {
    let (mut slope, mut offset) = (0.0, 0.0);
    let mut log = model.metrics();
    let count = POINTS.len() as f64;
    for step in 0..500 {
        let errors: Vec<(f64, f64)> = POINTS.iter().map(|(x, y)| (*x, slope * x + offset - y)).collect();
        let loss = errors.iter().map(|(_, error)| error * error).sum::<f64>() / count;
        log.log(Point::new("loss", loss).step(step).phase("train")).await?;
        slope -= 0.05 * errors.iter().map(|(x, error)| 2.0 * error * x).sum::<f64>() / count;
        offset -= 0.05 * errors.iter().map(|(_, error)| 2.0 * error).sum::<f64>() / count;
    }
    log.flush().await?;
    Ok((slope, offset))
}
