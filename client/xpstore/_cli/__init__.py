"""What the command `xpstore` does: its commands by what they are about, and how answers are shown."""
