"""The commands of `bandwatch`, one file each."""
