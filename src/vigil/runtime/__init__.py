"""Exported models at work, without torch: what an edge box needs is numpy and OpenCV."""
